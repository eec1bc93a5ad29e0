//! A list of byte strings in two allocations.

/// Byte strings in order, stored back to back: a module tree has hundreds of thousands of short ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Adds a string at the end. A list is bounded by its module's size, which is below 4 GiB.
    pub fn push(&mut self, string: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(string));
    }

    /// The string at a position.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&[u8]> {
        let end = *self.ends.get(position)?;
        let start = match position.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start as usize..end as usize)
    }

    /// All bytes, and where each string ends in them: the form in which a list is stored.
    #[must_use]
    pub fn parts(&self) -> (&[u8], &[u32]) {
        (&self.bytes, &self.ends)
    }

    /// The list that was stored as these parts; `None` if they never were [`parts`](Self::parts) of a list.
    #[must_use]
    pub fn from_parts(bytes: &[u8], ends: Vec<u32>) -> Option<Self> {
        let is_whole = ends.last().map_or(0, |&end| end as usize) == bytes.len();
        (is_whole && ends.is_sorted()).then(|| Self { bytes: bytes.to_vec(), ends })
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|position| self.at(position).unwrap_or_default())
    }

    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes all strings together have.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Takes all strings out; the memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a string that `write` puts together.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut list = Self::default();
        for string in strings {
            list.push(string.as_ref());
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_a_list_again_unless_they_contradict_each_other() {
        let list: Strings = ["a", "", "bc"].into_iter().collect();
        let (bytes, ends) = list.parts();
        assert_eq!(Strings::from_parts(bytes, ends.to_vec()), Some(list.clone()));
        assert_eq!(Strings::from_parts(b"abc", vec![1, 1, 4]), None);
        assert_eq!(Strings::from_parts(b"abc", vec![2, 1, 3]), None);
        assert_eq!(Strings::from_parts(b"abc", vec![]), None);
    }

    #[test]
    fn strings_come_back_in_order_empty_ones_too() {
        let list: Strings = ["a", "", "bc"].into_iter().collect();
        assert_eq!(list.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"bc"]);
        assert_eq!(list.at(2), Some(b"bc".as_slice()));
        assert_eq!(list.at(3), None);
        assert_eq!(list.len(), 3);
        assert!(!list.is_empty() && Strings::default().is_empty());
    }
}
