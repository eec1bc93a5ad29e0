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

/// The versions of a module in order; none if it has none that are usable. The extended table is read where
/// there is no other.
///
/// # Errors
/// What the file system said.
pub fn versions<'b>(
    image: &Image<'b>,
    layout: &Layout<'_>,
    buffers: &'b mut [Vec<u8>; 2],
) -> Result<Vec<Version<'b>>, ReadError> {
    let [first, second] = buffers;
    if let Some(range) = layout.section(b"__versions").filter(|range| range.len > 0) {
        let (records, rest) = image.bytes(range.offset, range.len, first)?.as_chunks::<64>();
        let records = if rest.is_empty() { records } else { &[] };
        return Ok(records.iter().map(|record| basic(layout, record)).collect());
    }
    let sections = (layout.section(b"__version_ext_crcs"), layout.section(b"__version_ext_names"));
    let (Some(crcs), Some(names)) = sections else { return Ok(Vec::new()) };
    let crcs = image.bytes(crcs.offset, crcs.len, first)?.as_chunks::<4>().0;
    let names = image.bytes(names.offset, names.len, second)?.split(|&byte| byte == 0);
    Ok(names.zip(crcs).map(|(name, &crc)| Version { name, crc: layout.u32(crc).into() }).collect())
}

/// A checksum of the file's word size, then a name padded with NULs.
fn basic<'b>(layout: &Layout<'_>, record: &'b [u8; 64]) -> Version<'b> {
    let (crc, name) = match layout.class {
        Class::Elf32 => {
            let (crc, name) = record.split_at(4);
            (crc.try_into().map_or(0, |crc| u64::from(layout.u32(crc))), name)
        }
        Class::Elf64 => {
            let (crc, name) = record.split_at(8);
            (crc.try_into().map_or(0, |crc| layout.u64(crc)), name)
        }
    };
    Version { name: until_nul(name), crc }
}
