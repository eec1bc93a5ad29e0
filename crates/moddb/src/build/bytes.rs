//! The bytes of a file of the database.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use memchr::arch::all::is_equal;

use crate::build::notes::Note;

/// The bytes of a file. Those of `modules.dep` stand in its index already, line by line, and are not kept twice: they
/// grow with the square of the number of modules that need each other in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(Kept);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Whole(Vec<u8>),
    Index(Arc<DependencyIndex>),
    LinesOf(Arc<DependencyIndex>),
}

/// `modules.dep.bin`, and where each line of `modules.dep` stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DependencyIndex {
    pub(super) bytes: Vec<u8>,
    /// Without their newlines; `None` if one of them is not there.
    pub(super) lines: Option<Vec<Range<usize>>>,
    /// What did not fit.
    pub(super) notes: Vec<Note>,
}

impl Bytes {
    pub(super) fn index(index: &Arc<DependencyIndex>) -> Self {
        Self(Kept::Index(Arc::clone(index)))
    }

    /// The lines, if all of them stand in the index.
    pub(super) fn lines_of(index: &Arc<DependencyIndex>) -> Option<Self> {
        index.lines.as_ref().map(|_| Self(Kept::LinesOf(Arc::clone(index))))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Whole(bytes) => bytes.len(),
            Kept::Index(index) => index.bytes.len(),
            Kept::LinesOf(index) => index.lines.iter().flatten().map(|line| line.len() + 1).sum(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (whole, lines) = match &self.0 {
            Kept::Whole(bytes) => (bytes.as_slice(), None),
            Kept::Index(index) => (index.bytes.as_slice(), None),
            Kept::LinesOf(index) => (&[][..], Some(index)),
        };
        let lines = lines.into_iter().flat_map(|index| {
            let line = |line: &Range<usize>| index.bytes.get(line.clone()).unwrap_or_default();
            index.lines.iter().flatten().flat_map(move |place| [line(place), b"\n"])
        });
        std::iter::once(whole).chain(lines).filter(|piece| !piece.is_empty())
    }

    /// Writes all of them, some tens of thousands at a time.
    ///
    /// # Errors
    /// What the writer said.
    pub fn write_to(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = io::BufWriter::with_capacity(64 << 10, writer);
        self.pieces().try_for_each(|piece| writer.write_all(piece))?;
        writer.flush()
    }

    /// Whether a file has exactly these. `read` fills a buffer with what stands from a position on, and says how much
    /// that is.
    ///
    /// # Errors
    /// What `read` said.
    pub fn are_those_of(
        &self,
        mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        let (mut found, mut position) = (&[][..], 0);
        for mut expected in self.pieces() {
            while !expected.is_empty() {
                if found.is_empty() {
                    let len = read(&mut buffer, position)?;
                    position += len as u64;
                    found = buffer.get(..len).unwrap_or_default();
                }
                let len = found.len().min(expected.len());
                let ((one, found_rest), (other, expected_rest)) =
                    (found.split_at(len), expected.split_at(len));
                if len == 0 || !are_equal(one, other) {
                    return Ok(false);
                }
                (found, expected) = (found_rest, expected_rest);
            }
        }
        Ok(found.is_empty() && read(&mut buffer, position)? == 0)
    }

    /// All of them in one piece of memory.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}

/// Whether two long texts of one length are equal. What the standard library does is musl's `memcmp`, which goes byte by
/// byte.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    const BLOCK: usize = 32;
    let ((blocks, rest), (others, other_rest)) = (one.as_chunks::<BLOCK>(), other.as_chunks::<BLOCK>());
    blocks.len() == others.len()
        && blocks.iter().zip(others).all(|(block, other)| block == other)
        && is_equal(rest, other_rest)
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kept::Whole(bytes))
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_out_of_the_index_that_they_stand_in() {
        let index = Arc::new(DependencyIndex {
            bytes: b"..b.ko: a.ko\0..a.ko:\0".to_vec(),
            lines: Some(vec![15..20, 2..12]),
            notes: Vec::new(),
        });
        let bytes = Bytes::lines_of(&index).unwrap();
        let mut written = Vec::new();
        bytes.write_to(&mut written).unwrap();
        assert_eq!(written, b"a.ko:\nb.ko: a.ko\n");
        assert_eq!((bytes.to_vec(), bytes.len()), (written.clone(), written.len()));
        assert_eq!(Bytes::index(&index).to_vec(), index.bytes);
        assert_eq!(Bytes::lines_of(&Arc::new(DependencyIndex::default())), None);
        assert!(Bytes::from("").is_empty());
    }

    #[test]
    fn a_file_has_these_bytes_if_it_has_all_of_them_and_no_others() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let bytes = Bytes::from(text.clone());
        let are_those_of = |file: &[u8]| {
            bytes.are_those_of(|buffer, position| {
                let rest = &file[usize::try_from(position).unwrap()..];
                // A file may give less than it is asked for.
                let len = rest.len().min(buffer.len()).min(10_007);
                buffer[..len].copy_from_slice(&rest[..len]);
                Ok(len)
            })
        };
        assert!(are_those_of(&text).unwrap());
        assert!(!are_those_of(&text[..text.len() - 1]).unwrap());
        assert!(!are_those_of(&[text.as_slice(), b"x"].concat()).unwrap());
        let mut other = text.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(!are_those_of(&other).unwrap());
        assert!(bytes.are_those_of(|_, _| Err(io::ErrorKind::Other.into())).is_err());
    }
}
