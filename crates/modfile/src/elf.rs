//! The section table of a module, for 32- and 64-bit files of either byte order and any machine.
//!
//! The rules of what is accepted are kmod's: sections are found by name, the first of each name counts, one
//! that reaches outside of the file does not exist. Symbols and modinfo are read elsewhere.

use object::elf::{FileHeader32, FileHeader64};
use object::endian::Endianness;
use object::pod;
use object::read::elf::{FileHeader, SectionHeader};

use crate::file::{Image, ReadError};

/// Word size of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 32 bit.
    Elf32,
    /// 64 bit.
    Elf64,
}

/// Where a section lies in the file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// From the start of the file.
    pub offset: u64,
    /// Its size.
    pub len: u64,
}

/// What the headers of a module file say.
#[derive(Debug)]
pub struct Layout {
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endian: Endianness,
    /// `e_machine`.
    pub machine: u16,
    /// All sections by number; those outside of the file are `None`.
    sections: Vec<Option<Range>>,
    /// Section names' offsets in `names`, by number.
    name_offsets: Vec<u32>,
    names: Vec<u8>,
}

impl Layout {
    /// Reads the headers of a module.
    ///
    /// # Errors
    /// [`ReadError::NotElf`] or [`ReadError::Malformed`] by kmod's rules, or what the file system said.
    pub fn read(image: &Image<'_>) -> Result<Self, ReadError> {
        const IDENT: u64 = 16;
        let mut buffer = Vec::new();
        if image.len() <= IDENT {
            return Err(ReadError::NotElf);
        }
        let ident = image.bytes(0, IDENT, &mut buffer)?;
        let [0x7F, b'E', b'L', b'F', class, data, ..] = *ident else { return Err(ReadError::NotElf) };
        let endian = match data {
            1 => Endianness::Little,
            2 => Endianness::Big,
            _ => return Err(ReadError::Malformed("unknown byte order")),
        };
        match class {
            1 => read_headers::<FileHeader32<Endianness>>(image, endian, Class::Elf32),
            2 => read_headers::<FileHeader64<Endianness>>(image, endian, Class::Elf64),
            _ => Err(ReadError::Malformed("unknown word size")),
        }
    }

    /// The first section of a name that lies inside the file.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<Range> {
        let named = |offset: &u32| {
            let rest = self.names.get(*offset as usize..)?;
            let rest = rest.strip_prefix(name)?;
            (*rest.first()? == 0).then_some(())
        };
        self.sections
            .iter()
            .zip(&self.name_offsets)
            .find_map(|(range, offset)| range.filter(|_| named(offset).is_some()))
    }

    /// Four bytes of the file as a number.
    #[must_use]
    pub fn u32(&self, bytes: [u8; 4]) -> u32 {
        match self.endian {
            Endianness::Little => u32::from_le_bytes(bytes),
            Endianness::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Eight bytes of the file as a number.
    #[must_use]
    pub fn u64(&self, bytes: [u8; 8]) -> u64 {
        match self.endian {
            Endianness::Little => u64::from_le_bytes(bytes),
            Endianness::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A section by its number.
    #[must_use]
    pub fn section_at(&self, number: u16) -> Option<Range> {
        self.sections.get(usize::from(number)).copied().flatten()
    }
}

/// Bytes before the section table that are read with it. Section names of real modules take up to 2 KiB.
const NAMES_BEFORE_TABLE: u64 = 2048;

fn read_headers<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_>,
    endian: Endianness,
    class: Class,
) -> Result<Layout, ReadError> {
    let mut buffer = Vec::new();
    let header_len = size_of::<Elf>() as u64;
    if image.len() <= header_len {
        return Err(ReadError::Malformed("the file ends in its header"));
    }
    let (header, _) = pod::from_bytes::<Elf>(image.bytes(0, header_len, &mut buffer)?)
        .map_err(|()| ReadError::Malformed("the file ends in its header"))?;
    let entry_len = size_of::<Elf::SectionHeader>();
    if usize::from(header.e_shentsize(endian)) != entry_len {
        return Err(ReadError::Malformed("unknown size of section headers"));
    }
    let count = usize::from(header.e_shnum(endian));
    let table_offset: u64 = header.e_shoff(endian).into();
    let names_number = usize::from(header.e_shstrndx(endian).0);
    let machine = header.e_machine(endian).0;

    const TABLE_OUTSIDE: ReadError = ReadError::Malformed("the section table lies outside of the file");
    const NAMES_OUTSIDE: ReadError = ReadError::Malformed("the section names lie outside of the file");
    let table_len = (count * entry_len) as u64;
    if !image.contains(table_offset, table_len) {
        return Err(TABLE_OUTSIDE);
    }
    // Compilers put the section names right before the table: one read gives both.
    let before = table_offset.min(NAMES_BEFORE_TABLE);
    let mut buffer = Vec::new();
    let tail = image.bytes(table_offset - before, before + table_len, &mut buffer)?;
    let (names_part, table) =
        tail.split_at_checked(usize::try_from(before).unwrap_or(usize::MAX)).ok_or(TABLE_OUTSIDE)?;
    let (headers, _) =
        pod::slice_from_bytes::<Elf::SectionHeader>(table, count).map_err(|()| TABLE_OUTSIDE)?;
    let range = |header: &Elf::SectionHeader| Range {
        offset: header.sh_offset(endian).into(),
        len: header.sh_size(endian).into(),
    };
    let names_range = headers
        .get(names_number)
        .map(range)
        .filter(|names| image.contains(names.offset, names.len))
        .ok_or(NAMES_OUTSIDE)?;
    let mut names_buffer = Vec::new();
    let in_tail = names_range
        .offset
        .checked_sub(table_offset - before)
        .and_then(|at| names_part.get(usize::try_from(at).ok()?..))
        .and_then(|rest| rest.get(..usize::try_from(names_range.len).ok()?));
    let names = match in_tail {
        Some(names) => names,
        None => image.bytes(names_range.offset, names_range.len, &mut names_buffer)?,
    }
    .to_vec();
    if names.last() != Some(&0) {
        return Err(ReadError::Malformed("the section names are not terminated"));
    }
    Ok(Layout {
        class,
        endian,
        machine,
        sections: headers
            .iter()
            .map(|header| Some(range(header)).filter(|range| image.contains(range.offset, range.len)))
            .collect(),
        name_offsets: headers.iter().map(|header| header.sh_name(endian)).collect(),
        names,
    })
}
