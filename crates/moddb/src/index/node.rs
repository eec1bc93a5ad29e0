//! Reads nodes of an index through a window onto the file.
//!
//! One positioned read fetches a node and most of what is needed next. Sizes are never taken from the file: the
//! bytes of all nodes read in one question are counted, and since the nodes of a sound trie do not overlap, more
//! than the file has means that it leads in circles. That bounds time and depth. A sparse file costs nothing and has
//! as many bytes as it likes, so what is kept of them is bounded by itself.

use super::error::IndexError;
use super::format::{CHILDREN, LONGEST_KEY, LONGEST_VALUE, MOST_VALUES, OFFSET_MASK, PREFIX, VALUES};
use super::source::Source;

/// Bytes fetched by one positioned read of a question about one key.
pub(super) const WINDOW: usize = 512;

/// The most that the texts of one answer may have together, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// Bytes kept at once while a whole index is listed.
const LARGEST_WINDOW: u64 = 64 << 20;

/// One value of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Its rank among the values of its key; lower ones come first.
    pub priority: u32,
    /// The text.
    pub text: Vec<u8>,
}

/// A node, without its children.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) prefix: Vec<u8>,
    children: Option<Children>,
    /// Where the count of values stands, if there are values.
    values: Option<u64>,
}

/// The characters that lead on from a node, and where their references stand.
#[derive(Clone, Copy, Debug)]
struct Children {
    first: u8,
    last: u8,
    table: u64,
}

impl Node {
    /// The characters that may lead on.
    pub(super) fn characters(&self) -> std::ops::RangeInclusive<u8> {
        #[allow(clippy::reversed_empty_ranges)]
        self.children.map_or(1..=0, |children| children.first..=children.last)
    }

    /// Whether a key ends here.
    pub(super) fn has_values(&self) -> bool {
        self.values.is_some()
    }
}

/// A question's view of the index.
pub(super) struct Reader<'a, S: ?Sized> {
    source: &'a S,
    /// The bytes read when the index was opened; they begin at offset 0.
    head: &'a [u8],
    window: Vec<u8>,
    start: u64,
    reach: usize,
    /// Bytes that nodes may still have.
    unread: u64,
    /// How many values the answer may still get, and how many bytes.
    values_left: usize,
    bytes_left: usize,
}

impl<'a, S: Source + ?Sized> Reader<'a, S> {
    /// A reader for a question that visits few nodes, each of them up to `times` times.
    pub(super) fn new(source: &'a S, head: &'a [u8], times: usize) -> Self {
        let times = u64::try_from(times).unwrap_or(u64::MAX);
        let unread = source.size().saturating_mul(times);
        let (values_left, bytes_left) = (MOST_VALUES, LARGEST_ANSWER);
        Self { source, head, window: Vec::new(), start: 0, reach: WINDOW, unread, values_left, bytes_left }
    }

    /// What was read so far is no longer kept.
    pub(super) fn begin_answer(&mut self) {
        (self.values_left, self.bytes_left) = (MOST_VALUES, LARGEST_ANSWER);
    }

    /// A reader for a question that visits all nodes.
    pub(super) fn whole(source: &'a S, head: &'a [u8]) -> Self {
        let reach = usize::try_from(source.size().min(LARGEST_WINDOW)).unwrap_or(WINDOW);
        Self { reach: reach.max(WINDOW), ..Self::new(source, head, 1) }
    }

    /// The node that a reference leads to, or `None` if it leads to none.
    pub(super) fn node(&mut self, reference: u32) -> Result<Option<Node>, IndexError> {
        let mut offset = u64::from(reference & OFFSET_MASK);
        if offset == 0 {
            return Ok(None);
        }
        let mut node = Node::default();
        if reference & PREFIX != 0 {
            node.prefix = self.text(&mut offset, LONGEST_KEY)?;
        }
        if reference & CHILDREN != 0 {
            let first = self.byte(&mut offset)?;
            let last = self.byte(&mut offset)?;
            if first > last || last > 0x7f {
                return Err(IndexError::Damaged { offset, what: "range of characters" });
            }
            node.children = Some(Children { first, last, table: offset });
            let size = 4 * (u64::from(last - first) + 1);
            self.count(size, offset)?;
            offset += size;
        }
        if reference & VALUES != 0 {
            node.values = Some(offset);
        }
        Ok(Some(node))
    }

    /// The reference that a character leads to; 0 if it leads nowhere.
    pub(super) fn child(&mut self, node: &Node, character: u8) -> Result<u32, IndexError> {
        match node.children {
            Some(children) if (children.first..=children.last).contains(&character) => {
                self.number_at(children.table + 4 * u64::from(character - children.first))
            }
            _ => Ok(0),
        }
    }

    /// The first value of a node.
    pub(super) fn first_value(&mut self, node: &Node) -> Result<Option<Value>, IndexError> {
        let Some((mut offset, count)) = self.value_count(node)? else { return Ok(None) };
        if count == 0 { Ok(None) } else { self.value(&mut offset).map(Some) }
    }

    /// All values of a node, in stored order.
    pub(super) fn values(&mut self, node: &Node) -> Result<Vec<Value>, IndexError> {
        let Some((mut offset, count)) = self.value_count(node)? else { return Ok(Vec::new()) };
        // By the number that is said there is no room made: it may be any.
        let mut values = Vec::new();
        for _ in 0..count {
            self.values_left = self.values_left.checked_sub(1).ok_or(IndexError::TooMuchWork)?;
            let value = self.value(&mut offset)?;
            self.bytes_left = self.bytes_left.checked_sub(value.text.len()).ok_or(IndexError::TooMuchWork)?;
            values.push(value);
        }
        Ok(values)
    }

    fn value_count(&mut self, node: &Node) -> Result<Option<(u64, u32)>, IndexError> {
        let Some(offset) = node.values else { return Ok(None) };
        let count = self.number_at(offset)?;
        self.count(4, offset)?;
        Ok(Some((offset + 4, count)))
    }

    fn value(&mut self, offset: &mut u64) -> Result<Value, IndexError> {
        let priority = self.number_at(*offset)?;
        self.count(4, *offset)?;
        *offset += 4;
        Ok(Value { priority, text: self.text(offset, LONGEST_VALUE)? })
    }

    /// The text up to a NUL; the offset moves behind it.
    fn text(&mut self, offset: &mut u64, longest: usize) -> Result<Vec<u8>, IndexError> {
        let start = *offset;
        let mut text = Vec::new();
        loop {
            let bytes = self.bytes(*offset, 1)?;
            let end = bytes.iter().position(|&byte| byte == 0);
            let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            text.extend_from_slice(taken);
            if text.len() > longest {
                return Err(IndexError::Damaged { offset: start, what: "a text without end" });
            }
            let taken = u64::try_from(taken.len()).unwrap_or(u64::MAX);
            *offset += taken;
            self.count(taken, start)?;
            if end.is_some() {
                *offset += 1;
                self.count(1, start)?;
                return Ok(text);
            }
        }
    }

    fn byte(&mut self, offset: &mut u64) -> Result<u8, IndexError> {
        let byte = self.bytes(*offset, 1)?.first().copied().unwrap_or_default();
        self.count(1, *offset)?;
        *offset += 1;
        Ok(byte)
    }

    fn number_at(&mut self, offset: u64) -> Result<u32, IndexError> {
        let bytes = self.bytes(offset, 4)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)))
    }

    /// The bytes from an offset on as far as they are at hand, at least `least` of them.
    fn bytes(&mut self, offset: u64, least: usize) -> Result<&[u8], IndexError> {
        if available(self.head, 0, offset, least) {
            return Ok(slice(self.head, 0, offset));
        }
        if !available(&self.window, self.start, offset, least) {
            self.fetch(offset)?;
            if !available(&self.window, self.start, offset, least) {
                return Err(IndexError::Damaged { offset, what: "end of the file inside a node" });
            }
        }
        Ok(slice(&self.window, self.start, offset))
    }

    /// Moves the window so that it begins at an offset, or at 0 if it is to hold everything.
    fn fetch(&mut self, offset: u64) -> Result<(), IndexError> {
        let reach = u64::try_from(self.reach).unwrap_or(u64::MAX);
        self.start = if self.source.size() <= reach { 0 } else { offset };
        let wanted = self.source.size().saturating_sub(self.start).min(reach);
        self.window.resize(usize::try_from(wanted).unwrap_or(0), 0);
        let mut filled = 0;
        while let Some(room) = self.window.get_mut(filled..).filter(|room| !room.is_empty()) {
            let position = self.start + u64::try_from(filled).unwrap_or(0);
            match self.source.read_at(room, position)? {
                0 => break,
                count => filled += count,
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    /// Counts bytes of a node against those that the file has.
    fn count(&mut self, size: u64, offset: u64) -> Result<(), IndexError> {
        let Some(unread) = self.unread.checked_sub(size) else {
            return Err(IndexError::Damaged { offset, what: "nodes that overlap" });
        };
        self.unread = unread;
        Ok(())
    }
}

/// Whether `least` bytes from an offset on are among bytes that begin at `start`.
fn available(bytes: &[u8], start: u64, offset: u64, least: usize) -> bool {
    slice(bytes, start, offset).len() >= least
}

fn slice(bytes: &[u8], start: u64, offset: u64) -> &[u8] {
    let skipped = offset.checked_sub(start).and_then(|skipped| usize::try_from(skipped).ok());
    skipped.and_then(|skipped| bytes.get(skipped..)).unwrap_or_default()
}
