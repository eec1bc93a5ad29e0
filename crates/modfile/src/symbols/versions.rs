//! The checksums of the symbols that a module was built against.

use crate::elf::{Class, Layout};
use crate::file::{Image, ReadError};
use crate::symbols::table::until_nul;

/// A symbol and its checksum at the time when the module was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'b> {
    /// The symbol.
    pub name: &'b [u8],
    /// Its checksum.
    pub crc: u64,
}

/// The versions of a module, in the order of the file.
#[derive(Clone, Debug)]
pub enum Versions<'b> {
    /// Records of `__versions`, taken apart when they are asked for.
    Records(&'b [[u8; 64]]),
    /// From the extended table, whose names are found only one after the other.
    Listed(Vec<Version<'b>>),
}

impl<'b> Versions<'b> {
    /// Reads the versions of a module; none if it has none that are usable. The extended table is read where
    /// there is no other.
    ///
    /// # Errors
    /// What the file system said.
    pub fn read(
        image: &Image<'b>,
        layout: &Layout<'_>,
        buffers: &'b mut [Vec<u8>; 2],
    ) -> Result<Self, ReadError> {
        let [first, second] = buffers;
        if let Some(range) = layout.section(b"__versions").filter(|range| range.len > 0) {
            let (records, rest) = image.bytes(range.offset, range.len, first)?.as_chunks::<64>();
            return Ok(Self::Records(if rest.is_empty() { records } else { &[] }));
        }
        let sections = (layout.section(b"__version_ext_crcs"), layout.section(b"__version_ext_names"));
        let (Some(crcs), Some(names)) = sections else { return Ok(Self::Records(&[])) };
        let crcs = image.bytes(crcs.offset, crcs.len, first)?.as_chunks::<4>().0;
        let names = image.bytes(names.offset, names.len, second)?.split(|&byte| byte == 0);
        let versions = names.zip(crcs).map(|(name, &crc)| Version { name, crc: layout.u32(crc).into() });
        Ok(Self::Listed(versions.collect()))
    }

    /// Whether each name ends within its record. compat: kmod 34 takes a module's versions, and with them its needs,
    /// for unreadable if one does not; kmod 30 reads on (case depmod/module-version-unterminated).
    #[must_use]
    pub fn are_terminated(&self, layout: &Layout<'_>) -> bool {
        let Self::Records(records) = self else { return true };
        // For nearly all of them the last byte is enough to see it.
        records.iter().all(|record| record.ends_with(&[0]) || padded_name(layout, record).contains(&0))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Records(records) => records.len(),
            Self::Listed(versions) => versions.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the version at a place is that of this symbol.
    #[must_use]
    #[inline]
    pub fn is_of(&self, layout: &Layout<'_>, place: usize, symbol: &[u8]) -> bool {
        match self {
            Self::Records(records) => records.get(place).is_some_and(|record| {
                let name = padded_name(layout, record);
                begins_with(name, symbol) && name.get(symbol.len()).is_none_or(|&byte| byte == 0)
            }),
            Self::Listed(versions) => versions.get(place).is_some_and(|version| version.name == symbol),
        }
    }

    /// The checksum at a place.
    #[must_use]
    pub fn crc(&self, layout: &Layout<'_>, place: usize) -> Option<u64> {
        match self {
            Self::Records(records) => records.get(place).map(|record| checksum(layout, record)),
            Self::Listed(versions) => versions.get(place).map(|version| version.crc),
        }
    }

    /// The version at a place.
    #[must_use]
    #[inline]
    pub fn at(&self, layout: &Layout<'_>, place: usize) -> Option<Version<'b>> {
        match self {
            Self::Records(records) => records.get(place).map(|record| basic(layout, record)),
            Self::Listed(versions) => versions.get(place).copied(),
        }
    }
}

/// A checksum of the file's word size, then a name padded with NULs.
fn basic<'b>(layout: &Layout<'_>, record: &'b [u8; 64]) -> Version<'b> {
    Version { name: until_nul(padded_name(layout, record)), crc: checksum(layout, record) }
}

fn checksum(layout: &Layout<'_>, record: &[u8; 64]) -> u64 {
    match layout.class {
        Class::Elf32 => record.first_chunk().map_or(0, |&crc| u64::from(layout.u32(crc))),
        Class::Elf64 => record.first_chunk().map_or(0, |&crc| layout.u64(crc)),
    }
}

/// Whether a text begins with another one. Names are short, so they are compared here, eight bytes at a time: a call to
/// do it takes longer.
fn begins_with(text: &[u8], start: &[u8]) -> bool {
    let Some(text) = text.get(..start.len()) else { return false };
    let Some((last, other_last)) = start.last_chunk::<8>().zip(text.last_chunk::<8>()) else {
        return text == start;
    };
    let mut words = start.as_chunks::<8>().0.iter().zip(text.as_chunks::<8>().0);
    words.all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other)) && last == other_last
}

fn padded_name<'b>(layout: &Layout<'_>, record: &'b [u8; 64]) -> &'b [u8] {
    let start = match layout.class {
        Class::Elf32 => size_of::<u32>(),
        Class::Elf64 => size_of::<u64>(),
    };
    record.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_with_each_of_its_beginnings_and_with_nothing_else() {
        let text: Vec<u8> = (1..40).collect();
        for len in 0..=text.len() {
            assert!(begins_with(&text, &text[..len]));
            for place in 0..len {
                let mut other = text[..len].to_vec();
                other[place] ^= 0x80;
                assert!(!begins_with(&text, &other), "{len} {place}");
            }
        }
        assert!(!begins_with(&text[1..], &text[..39]));
    }
}
