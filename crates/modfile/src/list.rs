//! Lists in one piece of memory each: a module tree has hundreds of thousands of short names.
//!
//! Items stand back to back, and so they can be stored and used again as they are:
//!
//! ```text
//! export   checksum, name
//! need     1 for weak (1), checksum, name
//! string   length, bytes; so is a name
//! ```
//!
//! A length has one byte, a checksum four, in the order of bytes of little-endian machines; one that needs more, or
//! has all bits set, has so many bytes with all bits set and the number in eight bytes behind them.

use std::fmt;
use std::marker::PhantomData;

/// Texts that are shorter than this many bytes are copied word by word.
const SHORT: usize = 64;

/// What stands in a list.
pub trait Item<'a>: Copy + fmt::Debug {
    /// Puts the item at the end of a list.
    fn put(self, list: &mut Vec<u8>);

    /// Takes the first item of a list. Returns `None` if nothing is left, or what is left is no such item.
    fn take(list: &mut &'a [u8]) -> Option<Self>;
}

/// A kind of list, by what stands in it.
pub trait ListKind {
    /// The item.
    type Item<'a>: Item<'a>;
}

/// Items of one kind in order.
pub struct List<K> {
    bytes: Vec<u8>,
    /// How many there are.
    len: usize,
    kind: PhantomData<K>,
}

/// A list of byte strings.
pub type Strings = List<ByteString>;

/// A byte string in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteString {}

impl ListKind for ByteString {
    type Item<'a> = &'a [u8];
}

impl<K: ListKind> List<K> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: K::Item<'_>) {
        self.push_by(|bytes| item.put(bytes));
    }

    /// Adds an item that `put` puts at the end of what it is given, as the item itself would.
    pub(crate) fn push_by(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        self.len += 1;
        put(&mut self.bytes);
    }

    /// The items in order.
    pub fn iter(&self) -> Items<'_, K> {
        Items::of(&self.bytes)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all items out; the memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
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
        self.len += 1;
        // How long it will be is not known yet, so there must be room for any length.
        self.bytes.extend_from_slice(&[0xFF; LENGTH]);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; size_of::<u64>()]);
        write(&mut self.bytes);
        let len = (self.bytes.len() - start).saturating_sub(size_of::<u64>()) as u64;
        if let Some(place) = self.bytes.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *place = len.to_le_bytes();
        }
    }
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { bytes: Vec::new(), len: 0, kind: PhantomData }
    }
}

impl<K: ListKind> fmt::Debug for List<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// The items of a list that are still to come.
pub struct Items<'a, K> {
    rest: &'a [u8],
    kind: PhantomData<K>,
}

impl<'a, K: ListKind> Items<'a, K> {
    /// The items of a stored list. Damaged bytes yield fewer of them, or others.
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

impl<'a, K: ListKind> Iterator for Items<'a, K> {
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

impl<K: ListKind> fmt::Debug for Items<'_, K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Item<'a> for &'a [u8] {
    fn put(self, list: &mut Vec<u8>) {
        put_number::<LENGTH>(list, self.len() as u64);
        append(list, self);
    }

    fn take(list: &mut &'a [u8]) -> Option<Self> {
        let len = take_number::<LENGTH>(list)?;
        let (text, rest) = list.split_at_checked(usize::try_from(len).ok()?)?;
        *list = rest;
        Some(text)
    }
}

/// The number of bytes in which a length stands if it can.
const LENGTH: usize = 1;

/// The numbers that can stand in `len` bytes are below this one.
const fn escape(len: usize) -> u64 {
    u64::MAX >> (u64::BITS as usize - 8 * len)
}

/// Puts a number in `LEN` bytes if it fits, otherwise behind as many with all bits set.
pub(crate) fn put_number<const LEN: usize>(list: &mut Vec<u8>, number: u64) {
    let bytes = number.to_le_bytes();
    match bytes.first_chunk::<LEN>() {
        Some(short) if number < escape(LEN) => list.extend_from_slice(short),
        _ => {
            list.extend_from_slice(&[0xFF; LEN]);
            list.extend_from_slice(&bytes);
        }
    }
}

/// Takes a number that was put so.
pub(crate) fn take_number<const LEN: usize>(list: &mut &[u8]) -> Option<u64> {
    let short: [u8; LEN] = take_array(list)?;
    let mut bytes = [0; size_of::<u64>()];
    bytes.iter_mut().zip(short).for_each(|(to, from)| *to = from);
    match u64::from_le_bytes(bytes) {
        number if number < escape(LEN) => Some(number),
        _ => take_array(list).map(u64::from_le_bytes),
    }
}

/// Takes a part of a fixed size.
pub(crate) fn take_array<const LEN: usize>(list: &mut &[u8]) -> Option<[u8; LEN]> {
    let (array, rest) = list.split_first_chunk()?;
    *list = rest;
    Some(*array)
}

/// Adds bytes at the end of others. What the standard library does goes through `memcpy`, and musl's takes longer to
/// begin than to copy a name.
#[inline]
pub fn append(bytes: &mut Vec<u8>, text: &[u8]) {
    if text.len() >= SHORT {
        bytes.extend_from_slice(text);
        return;
    }
    let end = bytes.len() + text.len();
    bytes.reserve(text.len());
    let (words, rest) = text.as_chunks::<8>();
    words.iter().for_each(|word| bytes.extend_from_slice(word));
    // A rest is copied together with what stands before it, if there is enough of that.
    if let Some(last) = text.last_chunk::<8>().filter(|_| !rest.is_empty()) {
        bytes.truncate(end - last.len());
        bytes.extend_from_slice(last);
    } else if let Some((first, last)) = rest.first_chunk::<4>().zip(rest.last_chunk::<4>()) {
        bytes.extend_from_slice(first);
        bytes.truncate(end - last.len());
        bytes.extend_from_slice(last);
    } else {
        rest.iter().for_each(|&byte| bytes.push(byte));
    }
}

/// Adds the first `len` bytes of a text. If it is long enough, a piece of a fixed size is copied, and what is too much cut
/// off: that is done in a few instructions.
#[inline]
pub(crate) fn append_start(bytes: &mut Vec<u8>, text: &[u8], len: usize) {
    const PIECE: usize = 32;
    match text.first_chunk::<PIECE>() {
        Some(piece) if len <= PIECE => {
            let end = bytes.len() + len;
            bytes.extend_from_slice(piece);
            bytes.truncate(end);
        }
        _ => append(bytes, text.get(..len).unwrap_or(text)),
    }
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
            bytes.clear();
            append_start(&mut bytes, &text, len);
            assert_eq!(bytes, text[..len]);
            append_start(&mut bytes, &text[..len], len);
            assert_eq!(bytes, text[..len].repeat(2));
        }
    }

    #[test]
    fn numbers_come_back_in_as_few_bytes_as_they_need() {
        for (number, len) in
            [(0, 4), (1, 4), (0xFFFF_FFFE, 4), (0xFFFF_FFFF, 12), (1 << 32, 12), (u64::MAX, 12)]
        {
            let mut list = Vec::new();
            put_number::<4>(&mut list, number);
            assert_eq!(list.len(), len, "{number}");
            let mut rest = list.as_slice();
            assert_eq!(take_number::<4>(&mut rest), Some(number));
            assert!(rest.is_empty());
            assert_eq!(take_number::<4>(&mut &list[..len - 1]), None, "{number} cut off");
        }
    }

    #[test]
    fn texts_of_every_length_come_back() {
        for len in [0, 1, 254, 255, 256, 100_000] {
            let text = vec![b'x'; len];
            let mut list = Strings::default();
            list.push(&text);
            list.push_with(|bytes| bytes.extend_from_slice(&text));
            assert!(list.iter().eq([&text, &text]), "{len}");
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
        let ends = [0, 2, 3, 7, bytes.len()];
        for len in 0..=bytes.len() {
            assert_eq!(Items::<ByteString>::of(&bytes[..len]).are_whole(), ends.contains(&len), "{len}");
        }
        list.clear();
        assert!(list.is_empty() && list.iter().next().is_none());
    }
}
