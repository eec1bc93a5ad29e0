//! Answers from an index without reading more of it than the answer needs.
//!
//! A file is opened without waiting and must be regular; nothing is mapped, so a file that shrinks or lies on a
//! failing disk is an error and no signal. What the bytes of an index say is believed only as far as the
//! `node` module bounds it.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use super::entries::{self, Rank};
use super::error::IndexError;
use super::format::{HEADER_LEN, LONGEST_KEY, MAGIC, VERSION, major};
use super::node::{Node, Reader, WINDOW};
use super::source::{FileSource, Source};
use modfile::wildcard::{Budget, is_wild, matches_within};

pub use super::node::Value;

/// Levels of a trie; a deeper one is not an index of names.
const DEEPEST: usize = LONGEST_KEY;

/// A visit shows so many bytes of keys and values, and so many more for each byte of the file.
const MOST_SHOWN: u64 = 64 << 20;
const SHOWN_EACH: u64 = 4;

/// An index, open for reading.
#[derive(Debug)]
pub struct Index<S = FileSource> {
    source: S,
    /// The header, and as much behind it as one read gave.
    head: Vec<u8>,
    root: u32,
}

/// Values by ascending priority; of equals the last one stands first.
fn by_priority(mut found: Vec<Value>) -> Vec<Value> {
    let rank = |(place, value): (usize, &Value)| {
        // A search ends long before it has met so many.
        let from_last = u32::MAX - u32::try_from(place).unwrap_or(u32::MAX);
        Rank { word: u64::from(value.priority) << u32::BITS | u64::from(from_last), place }
    };
    let mut ranks: Vec<Rank> = found.iter().enumerate().map(rank).collect();
    entries::sort(&mut ranks);
    ranks.iter().filter_map(|rank| found.get_mut(rank.place).map(std::mem::take)).collect()
}

/// A key with one of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key: a module name, an alias or a symbol.
    pub key: Vec<u8>,
    /// The value.
    pub value: Value,
}

impl Index {
    /// Opens the index in a file. Only its beginning is read.
    ///
    /// # Errors
    /// Every [`IndexError`] but [`IndexError::Damaged`] and [`IndexError::TooMuchWork`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::new(FileSource::open(path)?)
    }
}

impl<S: Source> Index<S> {
    /// Takes a source of bytes as an index. One without any bytes is empty: depmod leaves such files where it
    /// has nothing to say.
    ///
    /// # Errors
    /// Every [`IndexError`] that a bad header can cause.
    pub fn new(source: S) -> Result<Self, IndexError> {
        let len = source.size();
        if len == 0 {
            return Ok(Self { source, head: Vec::new(), root: 0 });
        }
        let mut head = vec![0; usize::try_from(len).unwrap_or(WINDOW).min(WINDOW)];
        let filled = source.read_at(&mut head, 0)?;
        head.truncate(filled);
        let [magic, version, root] = header(&head).ok_or(IndexError::TooShort(len))?;
        if magic != MAGIC {
            return Err(IndexError::BadMagic(magic));
        }
        if major(version) != major(VERSION) {
            return Err(IndexError::BadVersion(major(version)));
        }
        Ok(Self { source, head, root })
    }

    /// The first value of a key.
    ///
    /// # Errors
    /// Reading fails or meets damage.
    pub fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let mut reader = Reader::new(&self.source, &self.head, 1);
        match self.node_of(&mut reader, key)? {
            Some(node) => Ok(reader.first_value(&node)?.map(|value| value.text)),
            None => Ok(None),
        }
    }

    /// All values of a key, by ascending priority.
    ///
    /// # Errors
    /// Reading fails or meets damage.
    pub fn find_all(&self, key: &[u8]) -> Result<Vec<Value>, IndexError> {
        let mut reader = Reader::new(&self.source, &self.head, 1);
        match self.node_of(&mut reader, key)? {
            Some(node) => reader.values(&node),
            None => Ok(Vec::new()),
        }
    }

    /// The values of all keys that match a text when taken as shell patterns, by ascending priority. Characters
    /// of the text that are special in patterns mean only themselves.
    ///
    /// Of equal priorities the last one met stands first, where the way goes along the text, and at every node
    /// first through the patterns below it, longer ones before those they continue.
    // compat: a backslash before the first wildcard of a key is compared as itself (case
    // modprobe/lookup-alias-backslash); a text that has a wildcard where a key has it meets that key twice (test
    // `wildcards_of_the_text_mean_themselves_but_meet_their_like_twice`).
    ///
    /// # Errors
    /// Reading fails or meets damage, or the patterns are absurd.
    pub fn search(&self, text: &[u8]) -> Result<Vec<Value>, IndexError> {
        let wild = text.iter().filter(|&&byte| is_wild(byte)).count();
        let mut search = Search {
            reader: Reader::new(&self.source, &self.head, wild.saturating_add(1)),
            budget: Budget::DEFAULT,
            found: Vec::new(),
        };
        search.walk(self.root, text)?;
        Ok(by_priority(search.found))
    }

    /// Shows every entry, in byte order of the keys, a key before those that continue it, its values by
    /// ascending priority. The visitor may end the visit.
    ///
    /// # Errors
    /// Reading fails or meets damage; entries before it were shown.
    pub fn visit(&self, mut each: impl FnMut(&[u8], &Value) -> ControlFlow<()>) -> Result<(), IndexError> {
        let mut reader = Reader::whole(&self.source, &self.head);
        let Some(root) = reader.node(self.root)? else { return Ok(()) };
        let prefix = root.prefix.clone();
        // Keys share their beginnings, so a small file can have long ones without number.
        let mut unshown = MOST_SHOWN.saturating_add(self.source.size().saturating_mul(SHOWN_EACH));
        walk(
            &mut reader,
            root,
            prefix,
            ValuesStand::BeforeChildren,
            |_| true,
            |reader, key, node| {
                reader.begin_answer();
                for value in reader.values(node)? {
                    let shown = key.len() as u64 + value.text.len() as u64;
                    unshown = unshown.checked_sub(shown).ok_or(IndexError::TooMuchWork)?;
                    if each(key, &value).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            },
        )
    }

    /// All entries, in the order of [`Index::visit`].
    ///
    /// # Errors
    /// Reading fails or meets damage.
    pub fn entries(&self) -> Result<Vec<Entry>, IndexError> {
        let mut entries = Vec::new();
        self.visit(|key, value| {
            entries.push(Entry { key: key.to_vec(), value: value.clone() });
            ControlFlow::Continue(())
        })?;
        Ok(entries)
    }

    fn node_of(&self, reader: &mut Reader<'_, S>, key: &[u8]) -> Result<Option<Node>, IndexError> {
        let (mut reference, mut rest) = (self.root, key);
        while let Some(node) = reader.node(reference)? {
            let Some(after) = rest.strip_prefix(node.prefix.as_slice()) else { return Ok(None) };
            let Some((&character, after)) = after.split_first() else { return Ok(Some(node)) };
            reference = reader.child(&node, character)?;
            rest = after;
        }
        Ok(None)
    }
}

/// A wildcard search under way.
struct Search<'a, S> {
    reader: Reader<'a, S>,
    budget: Budget,
    found: Vec<Value>,
}

impl<S: Source> Search<'_, S> {
    fn walk(&mut self, root: u32, text: &[u8]) -> Result<(), IndexError> {
        let (mut reference, mut rest) = (root, text);
        while let Some(node) = self.reader.node(reference)? {
            for (index, &character) in node.prefix.iter().enumerate() {
                if is_wild(character) {
                    let pattern = node.prefix.get(index..).unwrap_or_default().to_vec();
                    return self.match_below(node, pattern, rest);
                }
                match rest.split_first() {
                    Some((&wanted, after)) if wanted == character => rest = after,
                    _ => return Ok(()),
                }
            }
            for character in *b"*?[" {
                let reference = self.reader.child(&node, character)?;
                if let Some(child) = self.reader.node(reference)? {
                    let mut pattern = vec![character];
                    pattern.extend_from_slice(&child.prefix);
                    self.match_below(child, pattern, rest)?;
                }
            }
            let Some((&character, after)) = rest.split_first() else {
                self.found.extend(self.reader.values(&node)?);
                return Ok(());
            };
            reference = self.reader.child(&node, character)?;
            rest = after;
        }
        Ok(())
    }

    /// Takes the values of `node`, whose key ends in `pattern`, and of all below it whose key matches.
    fn match_below(&mut self, node: Node, pattern: Vec<u8>, text: &[u8]) -> Result<(), IndexError> {
        let (budget, found) = (RefCell::new(&mut self.budget), &mut self.found);
        let mut beginning = Vec::new();
        let leads_on = |pattern: &[u8]| {
            beginning.clear();
            beginning.extend_from_slice(pattern);
            may_begin(&mut beginning, text, &mut budget.borrow_mut())
        };
        let order = ValuesStand::AfterChildren;
        walk(&mut self.reader, node, pattern, order, leads_on, |reader, pattern, node| {
            let mut budget = budget.borrow_mut();
            if node.has_values() && matches_within(pattern, text, &mut budget) {
                found.extend(reader.values(node)?);
            }
            if budget.is_spent() { Err(IndexError::TooMuchWork) } else { Ok(ControlFlow::Continue(())) }
        })
    }
}

/// Whether a pattern that begins so can match a text: below most nodes none can, and they are thousands. The pattern
/// is changed. What ends within brackets or at a backslash is not judged.
fn may_begin(pattern: &mut Vec<u8>, text: &[u8], budget: &mut Budget) -> bool {
    if memchr::memchr2(b'[', b'\\', pattern).is_some() {
        return true;
    }
    pattern.push(b'*');
    matches_within(pattern, text, budget)
}

/// Where a node's own values stand in a walk through its children.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValuesStand {
    BeforeChildren,
    AfterChildren,
}

/// A node on the way from the start of a walk, and what is left of it.
struct Level {
    node: Node,
    key_len: usize,
    characters: std::ops::RangeInclusive<u8>,
}

/// Visits a node, whose key is given, and all below it whose keys lead on, children by ascending character.
fn walk<S: Source>(
    reader: &mut Reader<'_, S>,
    start: Node,
    mut key: Vec<u8>,
    values: ValuesStand,
    mut leads_on: impl FnMut(&[u8]) -> bool,
    mut each: impl FnMut(&mut Reader<'_, S>, &[u8], &Node) -> Result<ControlFlow<()>, IndexError>,
) -> Result<(), IndexError> {
    let mut levels: Vec<Level> = Vec::new();
    let mut entered = Some(start);
    loop {
        if let Some(node) = entered.take() {
            if values == ValuesStand::BeforeChildren && each(reader, &key, &node)?.is_break() {
                return Ok(());
            }
            if levels.len() >= DEEPEST {
                return Err(IndexError::Damaged { offset: 0, what: "more levels than any name has" });
            }
            levels.push(Level { characters: node.characters(), key_len: key.len(), node });
        }
        let Some(level) = levels.last_mut() else { return Ok(()) };
        key.truncate(level.key_len);
        if let Some(character) = level.characters.next() {
            let reference = reader.child(&level.node, character)?;
            if let Some(child) = reader.node(reference)? {
                key.push(character);
                key.extend_from_slice(&child.prefix);
                if key.len() > LONGEST_KEY {
                    return Err(IndexError::Damaged { offset: 0, what: "a key longer than any name" });
                }
                entered = leads_on(&key).then_some(child);
            }
        } else {
            if values == ValuesStand::AfterChildren && each(reader, &key, &level.node)?.is_break() {
                return Ok(());
            }
            levels.pop();
        }
    }
}

/// The three numbers of a header.
fn header(bytes: &[u8]) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let bytes = bytes.get(..HEADER_LEN)?;
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(size_of::<u32>())) {
        *number = u32::from_be_bytes(*bytes.first_chunk()?);
    }
    Some(numbers)
}
