//! Lists in one piece of memory each: a module tree has hundreds of thousands of short names.
//!
//! Items stand back to back, and so they can be stored and used again as they are:
//!
//! ```text
//! export   checksum (8), name
//! need     1 for weak (1), checksum (8), name
//! string   length (4), bytes; so is a name
//! ```
//!
//! All integers are little-endian.

use std::fmt;
use std::marker::PhantomData;

/// Texts that are shorter than this many bytes are copied word by word.
const SHORT: usize = 64;

/// What stands in a list.
pub trait Item<'a>: Copy + fmt::Debug {
    /// Puts the item at the end of a list.
    fn put(self, list: &mut Vec<u8>);

    /// Takes the first item of a list. Gives `None` if nothing is left, or what is left is no such item.
    fn take(list: &mut &'a [u8]) -> Option<Self>;
}

/// A kind of list, by what stands in it.
pub trait Kind {
    /// The item.
    type Item<'a>: Item<'a>;
}

/// Items of one kind in order.
pub struct List<K> {
    bytes: Vec<u8>,
    kind: PhantomData<K>,
}

/// A list of byte strings.
pub type Strings = List<ByteString>;

/// A byte string in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteString {}

impl Kind for ByteString {
    type Item<'a> = &'a [u8];
}

impl<K: Kind> List<K> {
    /// Adds an item at the end. Its text is shorter than 4 GiB, as every part of a module is.
    pub fn push(&mut self, item: K::Item<'_>) {
        item.put(&mut self.bytes);
    }

    /// The items in order.
    pub fn iter(&self) -> Items<'_, K> {
        Items::of(&self.bytes)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes all items out; the memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The items as they are stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl List<ByteString> {
    /// Adds a string that `write` puts at the end of the bytes that it is given.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put_len(&mut self.bytes, 0);
        let text = self.bytes.len();
        write(&mut self.bytes);
        let len = u32::try_from(self.bytes.len() - text).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..text) {
            place.copy_from_slice(&len.to_le_bytes());
        }
    }
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { bytes: Vec::new(), kind: PhantomData }
    }
}

impl<K: Kind> fmt::Debug for List<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// The items of a list that are still to come.
pub struct Items<'a, K> {
    rest: &'a [u8],
    kind: PhantomData<K>,
}

impl<'a, K: Kind> Items<'a, K> {
    /// The items of a stored list. Damaged bytes give fewer of them, or others.
    #[must_use]
    pub fn of(list: &'a [u8]) -> Self {
        Self { rest: list, kind: PhantomData }
    }

    /// Whether the stored list has such items only, up to its last byte.
    #[must_use]
    pub fn are_whole(mut self) -> bool {
        while self.next().is_some() {}
        self.rest.is_empty()
    }
}

impl<'a, K: Kind> Iterator for Items<'a, K> {
    type Item = K::Item<'a>;

    fn next(&mut self) -> Option<K::Item<'a>> {
        let mut rest = self.rest;
        let item = Item::take(&mut rest)?;
        self.rest = rest;
        Some(item)
    }
}

impl<K> Clone for Items<'_, K> {
    fn clone(&self) -> Self {
        Self { rest: self.rest, kind: PhantomData }
    }
}

impl<K: Kind> fmt::Debug for Items<'_, K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Item<'a> for &'a [u8] {
    fn put(self, list: &mut Vec<u8>) {
        put_len(list, self.len());
        append(list, self);
    }

    fn take(list: &mut &'a [u8]) -> Option<Self> {
        let len = u32::from_le_bytes(take_array(list)?) as usize;
        let (text, rest) = list.split_at_checked(len)?;
        *list = rest;
        Some(text)
    }
}

fn put_len(list: &mut Vec<u8>, len: usize) {
    list.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

/// Takes a part of a fixed size.
pub(crate) fn take_array<const LEN: usize>(list: &mut &[u8]) -> Option<[u8; LEN]> {
    let (array, rest) = list.split_first_chunk()?;
    *list = rest;
    Some(*array)
}

/// Adds bytes at the end of others. With musl, whose `memcpy` takes longer to begin than to copy a name, this takes
/// a quarter of the time of what the standard library does.
#[inline]
pub fn append(bytes: &mut Vec<u8>, text: &[u8]) {
    if text.len() >= SHORT {
        bytes.extend_from_slice(text);
        return;
    }
    bytes.reserve(text.len());
    let (words, rest) = text.as_chunks::<8>();
    words.iter().for_each(|word| bytes.extend_from_slice(word));
    let (halves, rest) = rest.as_chunks::<4>();
    halves.iter().for_each(|half| bytes.extend_from_slice(half));
    rest.iter().for_each(|&byte| bytes.push(byte));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_added_as_they_are() {
        let text: Vec<u8> = (0..200).collect();
        for len in 0..text.len() {
            let mut bytes = b"before".to_vec();
            append(&mut bytes, &text[..len]);
            assert_eq!(bytes, [b"before", &text[..len]].concat());
        }
    }

    #[test]
    fn strings_come_back_in_order_and_a_list_cut_off_inside_of_one_is_not_whole() {
        let mut list = Strings::default();
        assert!(list.is_empty());
        for text in [b"a".as_slice(), b"", b"bcd"] {
            list.push(text);
        }
        list.push_with(|bytes| bytes.extend_from_slice(b"ef"));
        assert_eq!(list.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"bcd", b"ef"]);
        let bytes = list.as_bytes();
        let ends = [0, 5, 9, 16, bytes.len()];
        for len in 0..=bytes.len() {
            assert_eq!(Items::<ByteString>::of(&bytes[..len]).are_whole(), ends.contains(&len), "{len}");
        }
        list.clear();
        assert!(list.is_empty() && list.iter().next().is_none());
    }
}
