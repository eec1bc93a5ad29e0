//! What a module exports and what it needs, with checksums.
//!
//! Exports are the `__crc_` symbols; a kernel without symbol versions has none, and then the names in
//! `__ksymtab_strings` are the exports. Needs are the undefined symbols; their checksums stand in
//! `__versions`, or since Linux 6.14 in `__version_ext_crcs` and `__version_ext_names`.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use object::elf::{self, FileHeader32, FileHeader64, STB_WEAK};
use object::endian::Endianness;
use object::pod;
use object::read::elf::{FileHeader, Sym};

use crate::elf::{Class, Layout, Range};
use crate::file::{Image, ReadError};
use crate::strings::Strings;

/// Symbols with checksums, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolList {
    names: Strings,
    crcs: Vec<u64>,
}

impl SymbolList {
    /// Adds a symbol at the end. A symbol without checksum has 0.
    pub fn push(&mut self, name: &[u8], crc: u64) {
        self.names.push(name);
        self.crcs.push(crc);
    }

    fn check_limit(&self) -> Result<(), ReadError> {
        if self.names.byte_len() > NAMES_LIMIT {
            return Err(ReadError::Malformed("the names of its symbols overlap without bound"));
        }
        Ok(())
    }

    /// Names and checksums in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        self.names.iter().zip(self.crcs.iter().copied())
    }

    /// How many symbols there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.crcs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.crcs.is_empty()
    }

    /// Takes all symbols out; the memory is kept.
    pub fn clear(&mut self) {
        self.names.clear();
        self.crcs.clear();
    }
}

/// The symbols that a module needs from others, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    symbols: SymbolList,
    weak: Vec<bool>,
}

/// One symbol that a module needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// The symbol's name.
    pub name: &'a [u8],
    /// The checksum that the module was built with, 0 if it has none.
    pub crc: u64,
    /// Whether the module also works without the symbol.
    pub weak: bool,
}

impl Needs {
    /// Adds a need at the end.
    pub fn push(&mut self, need: Need<'_>) {
        self.symbols.push(need.name, need.crc);
        self.weak.push(need.weak);
    }

    /// The needs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Need<'_>> {
        self.symbols.iter().zip(&self.weak).map(|((name, crc), &weak)| Need { name, crc, weak })
    }

    /// How many needs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weak.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weak.is_empty()
    }

    /// Takes all needs out; the memory is kept.
    pub fn clear(&mut self) {
        self.symbols.clear();
        self.weak.clear();
    }
}

const SHN_UNDEF: u16 = elf::SHN_UNDEF.0;
const SHN_ABS: u16 = elf::SHN_ABS.0;

/// The longest list of names that is accepted, in bytes. Names may overlap in the file, so a small file can
/// claim to hold an immense list; the largest real ones take a few megabytes.
const NAMES_LIMIT: usize = 64 << 20;

/// A section of checksums larger than this is not kept: real ones have four bytes for each export.
const CHECKSUMS_LIMIT: u64 = 1 << 20;

/// An entry of the symbol table, as far as it matters here. Most entries matter to nobody, so finding the end
/// of their names is left for later.
struct Symbol<'a> {
    /// The rest of the string table from the name's first byte on; `None` if the name lies outside of it.
    name_and_rest: Option<&'a [u8]>,
    value: u64,
    section: u16,
    kind: u8,
    weak: bool,
}

/// A name ends at a NUL, or with the table.
fn until_nul(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).and_then(|end| bytes.get(..end)).unwrap_or(bytes)
}

/// Puts the exports of a module into an empty list.
///
/// # Errors
/// [`ReadError::Malformed`] if only `__ksymtab_strings` could tell and it is damaged, or what the file system
/// said.
pub fn exports(
    image: &Image<'_>,
    layout: &Layout,
    table: &SymbolTable<'_>,
    list: &mut SymbolList,
) -> Result<(), ReadError> {
    exports_with_checksums(image, layout, table, list)?;
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
        list.push(name, 0);
    }
    Ok(())
}

/// The exports by `__crc_` symbols; none if there is no such symbol, or if the name of any symbol lies outside
/// of the table.
fn exports_with_checksums(
    image: &Image<'_>,
    layout: &Layout,
    table: &SymbolTable<'_>,
    list: &mut SymbolList,
) -> Result<(), ReadError> {
    let mut checksums = Checksums::default();
    for symbol in table.iter(layout) {
        let Some(name) = symbol.name_and_rest else {
            list.clear();
            return Ok(());
        };
        if let Some(name) = name.strip_prefix(b"__crc_") {
            list.push(until_nul(name), checksums.of(image, layout, &symbol)?);
            list.check_limit()?;
        }
    }
    Ok(())
}

/// The section that checksums are in, read once.
#[derive(Default)]
struct Checksums {
    known: Option<(u16, Vec<u8>)>,
}

impl Checksums {
    /// A checksum is the symbol's value, or 32 bits at that offset of its section; all ones if there are none.
    fn of(&mut self, image: &Image<'_>, layout: &Layout, symbol: &Symbol<'_>) -> Result<u64, ReadError> {
        if symbol.section == SHN_ABS || symbol.section == SHN_UNDEF {
            return Ok(symbol.value);
        }
        let Some(range) = layout.section_at(symbol.section) else { return Ok(u64::MAX) };
        let mut buffer = Vec::new();
        let crc = if range.len > CHECKSUMS_LIMIT {
            match range.offset.checked_add(symbol.value) {
                Some(at) if symbol.value <= range.len - 4 => image.bytes(at, 4, &mut buffer)?.first_chunk(),
                _ => None,
            }
        } else {
            let section = self.section(image, symbol.section, range)?;
            usize::try_from(symbol.value).ok().and_then(|at| section.get(at..)?.first_chunk::<4>())
        };
        Ok(crc.map_or(u64::MAX, |&crc| u64::from(layout.u32(crc))))
    }

    fn section(&mut self, image: &Image<'_>, number: u16, range: Range) -> Result<&[u8], ReadError> {
        if self.known.as_ref().is_none_or(|&(known, _)| known != number) {
            let mut buffer = Vec::new();
            let bytes = image.bytes(range.offset, range.len, &mut buffer)?.to_vec();
            self.known = Some((number, bytes));
        }
        Ok(self.known.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    }
}

/// Puts the needs of a module into an empty list: its undefined symbols, then the names in `__versions` that are
/// none of them. None at all if the name of an undefined symbol lies outside of the table.
///
/// # Errors
/// What the file system said.
pub fn needs(
    image: &Image<'_>,
    layout: &Layout,
    table: &SymbolTable<'_>,
    list: &mut Needs,
) -> Result<(), ReadError> {
    if table.symbols.is_empty() {
        return Ok(());
    }
    let mut buffers = [Vec::new(), Vec::new()];
    let versions = versions(image, layout, &mut buffers)?;
    // The first of a name counts.
    let mut places: HashMap<&[u8], usize, RandomState> =
        HashMap::with_capacity_and_hasher(versions.len(), RandomState::default());
    let firsts: Vec<usize> =
        versions.iter().enumerate().map(|(place, &(name, _))| *places.entry(name).or_insert(place)).collect();
    let mut undefined = vec![false; versions.len()];
    for symbol in table.iter(layout) {
        if symbol.section != SHN_UNDEF || is_register(layout, &symbol) {
            continue;
        }
        let Some(name) = symbol.name_and_rest.map(until_nul) else {
            list.clear();
            return Ok(());
        };
        if name.is_empty() {
            continue;
        }
        let place = places.get(name).copied();
        if let Some(seen) = place.and_then(|place| undefined.get_mut(place)) {
            *seen = true;
        }
        let crc = place.and_then(|place| versions.get(place)).map_or(0, |&(_, crc)| crc);
        list.push(Need { name, crc, weak: symbol.weak });
        list.symbols.check_limit()?;
    }
    // compat: names in the extended table make no dependency.
    if layout.section(b"__versions").is_some() {
        for (&(name, crc), &first) in versions.iter().zip(&firsts) {
            if undefined.get(first) == Some(&false) {
                list.push(Need { name, crc, weak: false });
            }
        }
    }
    Ok(())
}

/// SPARC marks the use of a global register as an undefined symbol.
fn is_register(layout: &Layout, symbol: &Symbol<'_>) -> bool {
    const STT_REGISTER: u8 = 13;
    const SPARC: [u16; 2] = [2, 43];
    symbol.kind == STT_REGISTER && SPARC.contains(&layout.machine)
}

/// The names and checksums that a module was built against, in order; empty if it has none that are usable.
///
/// # Errors
/// What the file system said.
pub fn versions<'b>(
    image: &Image<'b>,
    layout: &Layout,
    buffers: &'b mut [Vec<u8>; 2],
) -> Result<Vec<(&'b [u8], u64)>, ReadError> {
    let [first, second] = buffers;
    if let Some(range) = layout.section(b"__versions").filter(|range| range.len > 0) {
        return Ok(basic_versions(layout, image.bytes(range.offset, range.len, first)?));
    }
    let sections = (layout.section(b"__version_ext_crcs"), layout.section(b"__version_ext_names"));
    let (Some(crcs), Some(names)) = sections else { return Ok(Vec::new()) };
    let crcs = image.bytes(crcs.offset, crcs.len, first)?;
    let names = image.bytes(names.offset, names.len, second)?;
    let crcs = crcs.as_chunks::<4>().0.iter().map(|&crc| u64::from(layout.u32(crc)));
    Ok(names.split(|&byte| byte == 0).zip(crcs).collect())
}

/// Records of 64 bytes: a checksum of the file's word size, then a name padded with NULs.
fn basic_versions<'b>(layout: &Layout, section: &'b [u8]) -> Vec<(&'b [u8], u64)> {
    let (records, []) = section.as_chunks::<64>() else { return Vec::new() };
    let mut versions = Vec::with_capacity(records.len());
    for record in records {
        let (crc, name) = match layout.class {
            Class::Elf32 => {
                let (crc, name) = record.split_at(4);
                (crc.try_into().map(|crc| u64::from(layout.u32(crc))), name)
            }
            Class::Elf64 => {
                let (crc, name) = record.split_at(8);
                (crc.try_into().map(|crc| layout.u64(crc)), name)
            }
        };
        versions.push((until_nul(name), crc.unwrap_or_default()));
    }
    versions
}

/// The bytes of `.symtab` and `.strtab`.
#[derive(Debug, Default)]
pub struct SymbolTable<'b> {
    symbols: &'b [u8],
    names: &'b [u8],
}

impl<'b> SymbolTable<'b> {
    /// Reads the symbol table. A module without one, or with one of an impossible size, has no symbols.
    ///
    /// # Errors
    /// What the file system said.
    pub fn read(
        image: &Image<'b>,
        layout: &Layout,
        buffers: &'b mut [Vec<u8>; 2],
    ) -> Result<Self, ReadError> {
        let (Some(symbols), Some(names)) = (layout.section(b".symtab"), layout.section(b".strtab")) else {
            return Ok(Self::default());
        };
        let [symbol_buffer, name_buffer] = buffers;
        // Compilers put one right behind the other: one read gives both.
        if symbols.offset.checked_add(symbols.len) == Some(names.offset)
            && image.contains(names.offset, names.len)
        {
            let both = image.bytes(symbols.offset, symbols.len + names.len, symbol_buffer)?;
            let at = usize::try_from(symbols.len).unwrap_or(usize::MAX);
            let (symbols, names) = both.split_at_checked(at).unwrap_or_default();
            return Ok(Self { symbols, names });
        }
        Ok(Self {
            symbols: image.bytes(symbols.offset, symbols.len, symbol_buffer)?,
            names: image.bytes(names.offset, names.len, name_buffer)?,
        })
    }

    fn iter(&self, layout: &Layout) -> Box<dyn Iterator<Item = Symbol<'b>> + 'b> {
        match layout.class {
            Class::Elf32 => Box::new(self.of_class::<FileHeader32<Endianness>>(layout.endian)),
            Class::Elf64 => Box::new(self.of_class::<FileHeader64<Endianness>>(layout.endian)),
        }
    }

    fn of_class<Elf: FileHeader<Endian = Endianness>>(
        &self,
        endian: Endianness,
    ) -> impl Iterator<Item = Symbol<'b>> + use<'b, Elf>
    where
        Elf::Sym: 'b,
    {
        // compat: a table that ends within an entry has none.
        let entry_len = size_of::<Elf::Sym>();
        let whole = self.symbols.len().is_multiple_of(entry_len);
        let count = if whole { self.symbols.len() / entry_len } else { 0 };
        let symbols: &'b [Elf::Sym] =
            pod::slice_from_bytes(self.symbols, count).map(|(symbols, _)| symbols).unwrap_or_default();
        let names = self.names;
        // The first entry stands for "no symbol".
        symbols.iter().skip(1).map(move |symbol| Symbol {
            name_and_rest: names.get(symbol.st_name(endian) as usize..).filter(|rest| !rest.is_empty()),
            value: symbol.st_value(endian).into(),
            section: symbol.st_shndx(endian).0,
            kind: symbol.st_type().0,
            weak: symbol.st_bind() == STB_WEAK,
        })
    }
}
