//! The symbols that a module offers to others.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::elf::{Layout, Range};
use crate::file::{Image, ReadError};
use crate::symbols::list::{Export, Exports, check_limit};
use crate::symbols::table::{SHN_ABS, SHN_UNDEF, Symbol, SymbolTable, until_nul};

/// A section of checksums larger than this is not kept: real ones have four bytes for each export.
const CHECKSUMS_LIMIT: u64 = 1 << 20;

/// How many sections of checksums are kept. The symbols of a hostile file name thousands.
const KEPT_SECTIONS: usize = 4;

/// The names of symbols that stand for exports begin so.
const PREFIX: &[u8] = b"__crc_";

/// Finds such a name. To make it takes longer than to search a small module with it.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));

/// The size of a checksum in bytes.
const CHECKSUM_LEN: u64 = 4;

/// Puts the exports of a module into an empty list.
///
/// # Errors
/// [`ReadError::Malformed`] if only `__ksymtab_strings` has the exports and it is damaged, or what the file system
/// said.
pub fn exports(
    image: &Image<'_>,
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
    list: &mut Exports,
) -> Result<(), ReadError> {
    let mut checksums = Checksums::default();
    find(image, layout, table, list, |symbol| checksums.of(image, layout, symbol))
}

/// The same without their checksums, which take reads of their own: all are 0.
///
/// # Errors
/// As [`exports`].
pub fn exported_names(
    image: &Image<'_>,
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
    list: &mut Exports,
) -> Result<(), ReadError> {
    find(image, layout, table, list, |_| Ok(0))
}

fn find(
    image: &Image<'_>,
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
    list: &mut Exports,
    checksum: impl FnMut(&Symbol<'_>) -> Result<u64, ReadError>,
) -> Result<(), ReadError> {
    match by_symbols(layout, table, list, checksum) {
        Ok(()) => {}
        Err(Unusable::Names) => list.clear(),
        Err(Unusable::Unreadable(error)) => return Err(error),
    }
    if !list.is_empty() {
        return Ok(());
    }
    let mut buffer = Vec::new();
    let Some(range) = layout.section(b"__ksymtab_strings").filter(|range| range.len > 0) else {
        return Ok(());
    };
    let strings = image.bytes(range.offset, range.len, &mut buffer)?;
    if strings.last() != Some(&0) {
        return Err(ReadError::Malformed("__ksymtab_strings is not terminated"));
    }
    for name in strings.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        list.push(Export { name, crc: 0 });
        check_limit(list)?;
    }
    Ok(())
}

/// Why the symbol table yields no exports.
enum Unusable {
    /// A symbol's name lies outside of the table of names.
    Names,
    Unreadable(ReadError),
}

/// The exports by `__crc_` symbols.
fn by_symbols(
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
    list: &mut Exports,
    mut checksum: impl FnMut(&Symbol<'_>) -> Result<u64, ReadError>,
) -> Result<(), Unusable> {
    // Most modules export nothing. One search finds that out with less work than a look at each symbol's name.
    if FINDER.find(table.names()).is_none() {
        return Ok(());
    }
    table.try_each(
        layout,
        |_| true,
        |symbol| {
            let name = symbol.name_and_rest.ok_or(Unusable::Names)?;
            let Some(name) = name.strip_prefix(PREFIX) else { return Ok(()) };
            let crc = checksum(&symbol).map_err(Unusable::Unreadable)?;
            list.push(Export { name: until_nul(name), crc });
            check_limit(list).map_err(Unusable::Unreadable)
        },
    )
}

/// Sections that checksums are in, each read once. Real modules have one or two.
#[derive(Default)]
struct Checksums {
    known: Vec<(u16, Vec<u8>)>,
}

impl Checksums {
    /// A checksum is the symbol's value, or 32 bits at that offset of its section; all ones if there are none.
    fn of(&mut self, image: &Image<'_>, layout: &Layout<'_>, symbol: &Symbol<'_>) -> Result<u64, ReadError> {
        if symbol.section == SHN_ABS || symbol.section == SHN_UNDEF {
            return Ok(symbol.value);
        }
        let Some(range) = layout.section_at(symbol.section) else { return Ok(u64::MAX) };
        let crc = match self.section(image, symbol.section, range)? {
            Some(section) => {
                usize::try_from(symbol.value).ok().and_then(|at| section.get(at..)?.first_chunk()).copied()
            }
            None => {
                let last = range.len.checked_sub(CHECKSUM_LEN);
                match range.offset.checked_add(symbol.value) {
                    Some(at) if last.is_some_and(|last| symbol.value <= last) => {
                        image.bytes(at, CHECKSUM_LEN, &mut Vec::new())?.first_chunk().copied()
                    }
                    _ => None,
                }
            }
        };
        Ok(crc.map_or(u64::MAX, |crc| u64::from(layout.u32(crc))))
    }

    /// The bytes of a section that is worth keeping.
    fn section(&mut self, image: &Image<'_>, number: u16, range: Range) -> Result<Option<&[u8]>, ReadError> {
        let place = self.known.iter().position(|&(known, _)| known == number);
        if place.is_none() {
            if range.len > CHECKSUMS_LIMIT || self.known.len() >= KEPT_SECTIONS {
                return Ok(None);
            }
            let mut buffer = Vec::new();
            let bytes = image.bytes(range.offset, range.len, &mut buffer)?.to_vec();
            self.known.push((number, bytes));
        }
        let known = place.map_or_else(|| self.known.last(), |place| self.known.get(place));
        Ok(known.map(|(_, bytes)| bytes.as_slice()))
    }
}
