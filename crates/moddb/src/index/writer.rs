//! Writes an index: all entries are known, so the trie is cut from the sorted list and never built in memory.
//!
//! Nodes are written as kmod 34 does, a parent before its children.

use std::cmp::Ordering;

use crate::index::format::{CHILDREN, HEADER_LEN, MAGIC, OFFSET_MASK, PREFIX, VALUES, VERSION};

/// An entry of an index to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry<'a> {
    key: &'a [u8],
    value: &'a [u8],
    priority: u32,
}

/// Why an entry cannot stand in an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte 0x{byte:02x} in {:?}: an index holds 7-bit characters only", String::from_utf8_lossy(.text))]
pub struct BadCharacter {
    /// The byte: 0, or above 127.
    pub byte: u8,
    /// The key or value that has it.
    pub text: Vec<u8>,
}

/// The index would be larger than its node references can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index would be larger than 256 MiB")]
pub struct TooLarge;

/// Collects the entries of an index.
#[derive(Clone, Debug, Default)]
pub struct IndexWriter<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> IndexWriter<'a> {
    /// Adds an entry. A key may have any number of values; of two with the same priority the later one stands
    /// first.
    ///
    /// # Errors
    /// [`BadCharacter`]; nothing is added then.
    pub fn insert(&mut self, key: &'a [u8], value: &'a [u8], priority: u32) -> Result<(), BadCharacter> {
        for text in [key, value] {
            if let Some(&byte) = text.iter().find(|&&byte| byte == 0 || !byte.is_ascii()) {
                return Err(BadCharacter { byte, text: text.to_vec() });
            }
        }
        self.entries.push(Entry { key, value, priority });
        Ok(())
    }

    /// How many entries were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of the index.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        // The sort is stable: reversed insertion order is what remains among equals.
        self.entries.reverse();
        self.entries.sort_by(|a, b| compare(a.key, b.key).then(a.priority.cmp(&b.priority)));
        let mut bytes = Vec::with_capacity(self.entries.len() * 48 + HEADER_LEN);
        put(&mut bytes, MAGIC);
        put(&mut bytes, VERSION);
        put(&mut bytes, 0);
        let root = if self.entries.is_empty() {
            u32::try_from(HEADER_LEN).map_err(|_| TooLarge)?
        } else {
            write_tree(&mut bytes, &self.entries)?
        };
        patch(&mut bytes, HEADER_LEN - size_of::<u32>(), root);
        Ok(bytes)
    }
}

/// Orders two keys by their bytes. Aliases of a bus begin alike for long: eight bytes at a time make sorting twice
/// as fast as musl's `memcmp` does.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    match a_words.iter().zip(b_words).position(|(a, b)| a != b) {
        Some(place) => a_words.get(place).cmp(&b_words.get(place)),
        None if a_words.len() == b_words.len() => a_rest.cmp(b_rest),
        None => a.cmp(b),
    }
}

/// A node that is still to be written.
struct Pending<'e, 'a> {
    /// The entries below it, at least one.
    entries: &'e [Entry<'a>],
    /// How much of their keys is spent on the way to it.
    depth: usize,
    /// Where the reference to it belongs.
    parent_slot: Option<usize>,
}

/// Writes the trie of sorted entries and gives the reference to its root. An explicit stack: a key may be as
/// long as a section of a hostile module.
fn write_tree(bytes: &mut Vec<u8>, entries: &[Entry<'_>]) -> Result<u32, TooLarge> {
    let mut root = 0;
    let mut stack = vec![Pending { entries, depth: 0, parent_slot: None }];
    while let Some(node) = stack.pop() {
        let reference = write_node(bytes, &node, &mut stack)?;
        match node.parent_slot {
            Some(slot) => patch(bytes, slot, reference),
            None => root = reference,
        }
    }
    Ok(root)
}

fn write_node<'e, 'a>(
    bytes: &mut Vec<u8>,
    node: &Pending<'e, 'a>,
    stack: &mut Vec<Pending<'e, 'a>>,
) -> Result<u32, TooLarge> {
    let mut reference = u32::try_from(bytes.len()).ok().filter(|&at| at <= OFFSET_MASK).ok_or(TooLarge)?;
    // compat: the root never has a prefix, even if all keys share one.
    let prefix = if node.parent_slot.is_some() { common_prefix(node) } else { &[] };
    if !prefix.is_empty() {
        reference |= PREFIX;
        bytes.extend_from_slice(prefix);
        bytes.push(0);
    }
    let depth = node.depth + prefix.len();
    let own = node.entries.iter().take_while(|entry| entry.key.len() == depth).count();
    let (values, below) = node.entries.split_at(own);
    if let (Some(first), Some(last)) = (edge(below.first(), depth), edge(below.last(), depth)) {
        reference |= CHILDREN;
        bytes.push(first);
        bytes.push(last);
        let slots = bytes.len();
        bytes.resize(slots + (usize::from(last - first) + 1) * size_of::<u32>(), 0);
        // The stack gives back the last one first, so children are put on it from the highest down.
        let groups = below.chunk_by(|a, b| edge(Some(a), depth) == edge(Some(b), depth));
        for entries in groups.rev() {
            let character = edge(entries.first(), depth).unwrap_or(first);
            let slot = slots + usize::from(character - first) * size_of::<u32>();
            stack.push(Pending { entries, depth: depth + 1, parent_slot: Some(slot) });
        }
    }
    if !values.is_empty() {
        reference |= VALUES;
        put(bytes, u32::try_from(values.len()).map_err(|_| TooLarge)?);
        for entry in values {
            put(bytes, entry.priority);
            bytes.extend_from_slice(entry.value);
            bytes.push(0);
        }
    }
    Ok(reference)
}

/// What all keys of a node share from its depth on. They are sorted, so the first and the last tell.
fn common_prefix<'a>(node: &Pending<'_, 'a>) -> &'a [u8] {
    let rest = |entry: Option<&Entry<'a>>| entry.and_then(|e| e.key.get(node.depth..)).unwrap_or_default();
    let (first, last) = (rest(node.entries.first()), rest(node.entries.last()));
    let len = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    first.get(..len).unwrap_or_default()
}

fn edge(entry: Option<&Entry<'_>>, depth: usize) -> Option<u8> {
    entry?.key.get(depth).copied()
}

fn put(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend_from_slice(&number.to_be_bytes());
}

fn patch(bytes: &mut [u8], at: usize, number: u32) {
    if let Some(slot) = bytes.get_mut(at..at + size_of::<u32>()) {
        slot.copy_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(&str, &str, u32)]) -> Vec<u8> {
        let mut writer = IndexWriter::default();
        for (key, value, priority) in entries {
            writer.insert(key.as_bytes(), value.as_bytes(), *priority).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn three_names_with_a_common_start_give_the_documented_bytes() {
        let bytes = index(&[("fox", "fox.ko:", 2), ("foo", "foo.ko:", 0), ("food", "food.ko: foo.ko", 1)]);
        let expected = [
            b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x0c".as_slice(),
            b"ff\xa0\0\0\x12",
            b"o\0ox\x60\0\0\x3e",
            &[0; 32],
            b"\x40\0\0\x6c",
            b"dd\x40\0\0\x54\0\0\0\x01\0\0\0\0foo.ko:\0",
            b"\0\0\0\x01\0\0\0\x01food.ko: foo.ko\0",
            b"\0\0\0\x01\0\0\0\x02fox.ko:\0",
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_empty_index_is_a_header_whose_root_is_its_own_end() {
        assert_eq!(index(&[]), b"\xb0\x07\xf4\x57\0\x02\0\x01\0\0\0\x0c");
    }

    #[test]
    fn values_stand_by_priority_and_of_equals_the_last_one_first() {
        let bytes = index(&[("", "b", 1), ("", "a", 0), ("", "c", 1)]);
        assert_eq!(bytes[12..], *b"\0\0\0\x03\0\0\0\0a\0\0\0\0\x01c\0\0\0\0\x01b\0");
    }

    #[test]
    fn bytes_that_an_index_cannot_hold_are_refused() {
        let mut writer = IndexWriter::default();
        assert_eq!(writer.insert(b"a\xFFb", b"", 0).unwrap_err().byte, 0xFF);
        assert_eq!(writer.insert(b"a", b"\0", 0).unwrap_err().byte, 0);
        assert!(writer.is_empty());
    }

    #[test]
    fn a_key_as_long_as_a_module_needs_no_stack() {
        let long = "x".repeat(1 << 20);
        let bytes = index(&[(&long, "v", 0)]);
        assert_eq!(bytes.len(), 12 + 6 + (1 << 20) + 4 + 4 + 2);
    }

    proptest::proptest! {
        #[test]
        fn keys_are_ordered_as_bytes_are(a in "[ab]{0,30}", b in "[ab]{0,30}", common in "[a-c]{0,20}") {
            let [a, b] = [a, b].map(|end| format!("{common}{end}").into_bytes());
            proptest::prop_assert_eq!(compare(&a, &b), a.cmp(&b));
        }
    }
}
