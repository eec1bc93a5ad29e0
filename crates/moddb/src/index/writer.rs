//! Writes an index: all entries are known, so the trie is cut from the sorted list and never built in memory.
//!
//! Nodes are written as kmod 34 does, a parent before its children.

use std::borrow::Cow;

use modfile::list::append;

use crate::index::entries::{Entry, Text, sorted};
use crate::index::format::{
    CHILDREN, HEADER_LEN, LONGEST_KEY, LONGEST_VALUE, MAGIC, MOST_VALUES, OFFSET_MASK, PREFIX, VALUES,
    VERSION,
};

/// What an entry takes in an index, apart from its value: there is room at once for all that real ones have.
const NODE_LEN: usize = 64;

/// Why an entry cannot stand in an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte 0x{byte:02x} in {:?}: an index holds 7-bit characters only", String::from_utf8_lossy(.text))]
pub struct BadCharacter {
    /// The byte: 0, or above 127.
    pub byte: u8,
    /// The key or value that has it.
    pub text: Vec<u8>,
}

/// The index would be larger than its node references can reach, or have a key or value that readers refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index would have more than its format can hold")]
pub struct TooLarge;

/// Collects the entries of an index.
#[derive(Clone, Debug, Default)]
pub struct IndexWriter<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> IndexWriter<'a> {
    /// A writer that has room for so many entries.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries) }
    }

    /// Adds an entry. A key may have any number of values; of two with the same priority the later one stands
    /// first.
    ///
    /// # Errors
    /// [`BadCharacter`]; nothing is added then.
    pub fn insert(
        &mut self,
        key: impl Into<Cow<'a, [u8]>>,
        value: &'a [u8],
        priority: u32,
    ) -> Result<(), BadCharacter> {
        let key = key.into();
        check(&key)?;
        check(value)?;
        self.entries.push(Entry { key, value: Text::Given(value), priority });
        Ok(())
    }

    /// Adds an entry whose value [`finish_with`](Self::finish_with) asks for by its number when it writes the entry:
    /// all values together may be too large to be kept beside the index. `len` is the value's length; its bytes must
    /// be such as [`insert`](Self::insert) takes.
    ///
    /// # Errors
    /// [`BadCharacter`] in the key; nothing is added then.
    pub fn insert_later(
        &mut self,
        key: impl Into<Cow<'a, [u8]>>,
        number: usize,
        len: usize,
        priority: u32,
    ) -> Result<(), BadCharacter> {
        let key = key.into();
        check(&key)?;
        self.entries.push(Entry { key, value: Text::Later { number, len }, priority });
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
    pub fn finish(self) -> Result<Vec<u8>, TooLarge> {
        self.finish_with(|_, _| {})
    }

    /// The bytes of the index; `write` puts the value of a number at the end of the bytes that it is given.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn finish_with(self, mut write: impl FnMut(usize, &mut Vec<u8>)) -> Result<Vec<u8>, TooLarge> {
        let is_readable =
            |entry: &Entry<'_>| entry.key.len() <= LONGEST_KEY && entry.value.len() <= LONGEST_VALUE;
        if !self.entries.iter().all(is_readable) {
            return Err(TooLarge);
        }
        let entries = sorted(&self.entries);
        let texts: usize = entries.iter().map(|entry| entry.value.len()).sum();
        if texts > OFFSET_MASK as usize {
            return Err(TooLarge);
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + texts + entries.len() * NODE_LEN);
        put(&mut bytes, MAGIC);
        put(&mut bytes, VERSION);
        put(&mut bytes, 0);
        let root = if self.entries.is_empty() {
            u32::try_from(HEADER_LEN).map_err(|_| TooLarge)?
        } else {
            write_tree(&mut bytes, &entries, &mut write)?
        };
        patch(&mut bytes, HEADER_LEN - size_of::<u32>(), root);
        Ok(bytes)
    }
}

/// Whether text can stand in an index.
///
/// # Errors
/// [`BadCharacter`].
pub(crate) fn check(text: &[u8]) -> Result<(), BadCharacter> {
    // Without a branch for each byte; which one it was is found out only if there is one.
    let is_bad = |byte: u8| byte == 0 || !byte.is_ascii();
    if text.iter().fold(false, |any, &byte| any | is_bad(byte)) {
        let byte = text.iter().copied().find(|&byte| is_bad(byte)).unwrap_or_default();
        return Err(BadCharacter { byte, text: text.to_vec() });
    }
    Ok(())
}

/// A node that is still to be written.
struct Pending<'e, 'a> {
    /// The entries below it, at least one.
    entries: &'e [&'e Entry<'a>],
    /// How much of their keys is spent on the way to it.
    depth: usize,
    /// Where the reference to it belongs.
    parent_slot: Option<usize>,
}

/// Writes the trie of sorted entries and returns the reference to its root. An explicit stack: a key may be as
/// long as a section of a hostile module.
fn write_tree(
    bytes: &mut Vec<u8>,
    entries: &[&Entry<'_>],
    write: &mut impl FnMut(usize, &mut Vec<u8>),
) -> Result<u32, TooLarge> {
    let mut root = 0;
    let mut stack = vec![Pending { entries, depth: 0, parent_slot: None }];
    while let Some(node) = stack.pop() {
        let reference = write_node(bytes, &node, &mut stack, write)?;
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
    write: &mut impl FnMut(usize, &mut Vec<u8>),
) -> Result<u32, TooLarge> {
    let mut reference = u32::try_from(bytes.len()).ok().filter(|&at| at <= OFFSET_MASK).ok_or(TooLarge)?;
    // compat: the root never has a prefix, even if all keys share one (case depmod/module-alias-prefixes, test
    // `three_names_with_a_common_start_give_the_documented_bytes`).
    let prefix = if node.parent_slot.is_some() { common_prefix(node) } else { &[] };
    if !prefix.is_empty() {
        reference |= PREFIX;
        append(bytes, prefix);
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
    if values.len() > MOST_VALUES {
        return Err(TooLarge);
    }
    if !values.is_empty() {
        reference |= VALUES;
        put(bytes, u32::try_from(values.len()).map_err(|_| TooLarge)?);
        for entry in values {
            put(bytes, entry.priority);
            match entry.value {
                Text::Given(text) => append(bytes, text),
                Text::Later { number, .. } => write(number, bytes),
            }
            bytes.push(0);
        }
    }
    Ok(reference)
}

/// What all keys of a node share from its depth on. They are sorted, so comparing the first and the last is enough.
fn common_prefix<'e>(node: &Pending<'e, '_>) -> &'e [u8] {
    let rest = |entry: Option<&&'e Entry<'_>>| {
        entry.and_then(|entry| entry.key.get(node.depth..)).unwrap_or_default()
    };
    let (first, last) = (rest(node.entries.first()), rest(node.entries.last()));
    let len = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    first.get(..len).unwrap_or_default()
}

fn edge(entry: Option<&&Entry<'_>>, depth: usize) -> Option<u8> {
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
    fn the_longest_key_needs_no_stack() {
        let long = "x".repeat(LONGEST_KEY);
        let bytes = index(&[(&long, "v", 0)]);
        assert_eq!(bytes.len(), 12 + 6 + LONGEST_KEY + 4 + 4 + 2);
    }

    #[test]
    fn what_readers_refuse_is_not_written() {
        let mut writer = IndexWriter::default();
        let long = vec![b'x'; LONGEST_KEY + 1];
        writer.insert(&long, b"v", 0).unwrap();
        assert_eq!(writer.finish(), Err(TooLarge));
        let mut writer = IndexWriter::default();
        for _ in 0..=MOST_VALUES {
            writer.insert(b"a", b"", 0).unwrap();
        }
        assert_eq!(writer.finish(), Err(TooLarge));
    }
}
