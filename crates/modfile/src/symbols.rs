//! What a module exports and what it needs, with checksums.
//!
//! Exports are the `__crc_` symbols; a kernel without symbol versions has none, and then the names in
//! `__ksymtab_strings` are the exports. Needs are the undefined symbols; their checksums stand in
//! `__versions`, or since Linux 6.14 in `__version_ext_crcs` and `__version_ext_names`.

use std::collections::HashMap;
use std::collections::HashSet;

use object::elf::{self, FileHeader32, FileHeader64, STB_WEAK};
use object::endian::Endianness;
use object::pod;
use object::read::elf::{FileHeader, Sym};

use crate::elf::{Class, Layout};
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

    /// Gives back memory that was reserved for growth.
    pub fn shrink(&mut self) {
        self.names.shrink();
        self.crcs.shrink_to_fit();
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

    /// Gives back memory that was reserved for growth.
    pub fn shrink(&mut self) {
        self.symbols.shrink();
        self.weak.shrink_to_fit();
    }
}

const SHN_UNDEF: u16 = elf::SHN_UNDEF.0;
const SHN_ABS: u16 = elf::SHN_ABS.0;

/// An entry of the symbol table, as far as it matters here.
struct Symbol<'a> {
    name: &'a [u8],
    value: u64,
    section: u16,
    kind: u8,
    weak: bool,
}

/// The exports of a module.
///
/// # Errors
/// [`ReadError::Malformed`] if only `__ksymtab_strings` could tell and it is damaged, or what the file system
/// said.
pub fn exports(image: &Image<'_>, layout: &Layout, table: &SymbolTable<'_>) -> Result<SymbolList, ReadError> {
    let mut list = SymbolList::default();
    for symbol in table.iter(layout) {
        if let Some(name) = symbol.name.strip_prefix(b"__crc_") {
            list.push(name, export_crc(image, layout, &symbol)?);
        }
    }
    if !list.is_empty() {
        return Ok(list);
    }
    let mut buffer = Vec::new();
    let Some(range) = layout.section(b"__ksymtab_strings").filter(|range| range.len > 0) else {
        return Ok(list);
    };
    let strings = image.bytes(range.offset, range.len, &mut buffer)?;
    if strings.last() != Some(&0) {
        return Err(ReadError::Malformed("__ksymtab_strings is not terminated"));
    }
    for name in strings.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        list.push(name, 0);
    }
    Ok(list)
}

/// A checksum is the symbol's value, or 32 bits at that offset of its section; all ones if there are none.
fn export_crc(image: &Image<'_>, layout: &Layout, symbol: &Symbol<'_>) -> Result<u64, ReadError> {
    if symbol.section == SHN_ABS || symbol.section == SHN_UNDEF {
        return Ok(symbol.value);
    }
    let Some(section) = layout.section_at(symbol.section) else { return Ok(u64::MAX) };
    let inside = symbol.value.checked_add(4).is_some_and(|end| end <= section.len);
    let Some(offset) = section.offset.checked_add(symbol.value).filter(|_| inside) else {
        return Ok(u64::MAX);
    };
    let mut buffer = Vec::new();
    let bytes = image.bytes(offset, 4, &mut buffer)?;
    Ok(bytes.try_into().map_or(u64::MAX, |crc| u64::from(layout.u32(crc))))
}

/// The needs of a module: its undefined symbols, then the names in `__versions` that are none of them.
///
/// # Errors
/// What the file system said.
pub fn needs(image: &Image<'_>, layout: &Layout, table: &SymbolTable<'_>) -> Result<Needs, ReadError> {
    let mut list = Needs::default();
    if table.symbols.is_empty() {
        return Ok(list);
    }
    let mut buffers = [Vec::new(), Vec::new()];
    let versions = versions(image, layout, &mut buffers)?;
    let extended = layout.section(b"__versions").is_none();
    let crcs: HashMap<&[u8], u64> = versions.iter().rev().copied().collect();
    let mut undefined = HashSet::new();
    for symbol in table.iter(layout) {
        if symbol.section != SHN_UNDEF || symbol.name.is_empty() || is_register(layout, &symbol) {
            continue;
        }
        let crc = crcs.get(symbol.name).copied().unwrap_or(0);
        undefined.insert(symbol.name);
        list.push(Need { name: symbol.name, crc, weak: symbol.weak });
    }
    // compat: names in the extended table make no dependency.
    for &(name, crc) in versions.iter().filter(|_| !extended) {
        if !undefined.contains(name) {
            list.push(Need { name, crc, weak: false });
        }
    }
    Ok(list)
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
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        versions.push((name.get(..end).unwrap_or_default(), crc.unwrap_or_default()));
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
        let count = self.symbols.len() / size_of::<Elf::Sym>();
        let symbols: &'b [Elf::Sym] =
            pod::slice_from_bytes(self.symbols, count).map(|(symbols, _)| symbols).unwrap_or_default();
        let names = self.names;
        // The first entry stands for "no symbol".
        symbols.iter().skip(1).filter_map(move |symbol| {
            let name = names.get(symbol.st_name(endian) as usize..)?;
            let end = name.iter().position(|&byte| byte == 0)?;
            Some(Symbol {
                name: name.get(..end)?,
                value: symbol.st_value(endian).into(),
                section: symbol.st_shndx(endian).0,
                kind: symbol.st_type().0,
                weak: symbol.st_bind() == STB_WEAK,
            })
        })
    }
}
