//! The section table of a module, for 32- and 64-bit files of either byte order and any machine.
//!
//! The rules of what is accepted are kmod's: sections are found by name, the first of each name counts, one
//! that reaches outside of the file does not exist. Symbols and modinfo are read elsewhere.

use object::elf::{self, FileHeader32, FileHeader64};
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
#[derive(Clone, Copy, Debug)]
pub struct Layout<'b> {
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endian: Endianness,
    /// `e_machine`.
    pub machine: u16,
    /// The section table.
    table: &'b [u8],
    /// The names of sections.
    names: &'b [u8],
    /// Where the sections of these names are, in the order of [`KNOWN`]: all that anybody asks for is found in one go.
    known: [Option<Range>; KNOWN.len()],
    /// The size of the file: a section that reaches outside of it does not exist.
    file_len: u64,
}

impl<'b> Layout<'b> {
    /// Reads the headers of a module; `buffers` hold them if they must be read.
    ///
    /// # Errors
    /// [`ReadError::NotElf`] or [`ReadError::Malformed`] by kmod's rules, or what the file system said.
    pub fn read(image: &Image<'b>, buffers: &'b mut [Vec<u8>; 2]) -> Result<Self, ReadError> {
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
            1 => Self::of_class::<FileHeader32<Endianness>>(image, endian, Class::Elf32, buffers),
            2 => Self::of_class::<FileHeader64<Endianness>>(image, endian, Class::Elf64, buffers),
            _ => Err(ReadError::Malformed("unknown word size")),
        }
    }

    fn of_class<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'b>,
        endian: Endianness,
        class: Class,
        buffers: &'b mut [Vec<u8>; 2],
    ) -> Result<Self, ReadError> {
        let header = Header::read::<Elf>(image, endian)?;
        if !image.contains(header.table_offset, header.table_len) {
            return Err(TABLE_OUTSIDE);
        }
        // Compilers put the section names right before the table: one read fetches both.
        let before = header.table_offset.min(NAMES_BEFORE_TABLE);
        let tail_offset = header.table_offset - before;
        let [tail_buffer, names_buffer] = buffers;
        let tail = image.bytes(tail_offset, before + header.table_len, tail_buffer)?;
        let at = usize::try_from(before).unwrap_or(usize::MAX);
        let (before_table, table) = tail.split_at_checked(at).ok_or(TABLE_OUTSIDE)?;
        let file_len = image.len();
        let known = [None; KNOWN.len()];
        let mut layout = Self { class, endian, machine: header.machine, table, names: &[], known, file_len };
        let (own_name, range) = layout.entry(header.names_section).ok_or(NAMES_OUTSIDE)?;
        let range = range.ok_or(NAMES_OUTSIDE)?;
        let in_tail = range
            .offset
            .checked_sub(tail_offset)
            .and_then(|at| before_table.get(usize::try_from(at).ok()?..))
            .and_then(|rest| rest.get(..usize::try_from(range.len).ok()?));
        layout.names = match in_tail {
            Some(names) => names,
            None => image.bytes(range.offset, range.len, names_buffer)?,
        };
        if layout.names.last() != Some(&0) {
            return Err(ReadError::Malformed("the section names are not terminated"));
        }
        // compat: of all sections only this one's name has to be there (random damage in
        // tests/compliance/src/damaged.rs).
        if layout.names.get(own_name as usize).is_none() {
            return Err(ReadError::Malformed("the section of names has none itself"));
        }
        layout.find_known();
        Ok(layout)
    }

    fn find_known(&mut self) {
        let start_of = |name: &[u8]| name.first_chunk().map(|start| u64::from_ne_bytes(*start));
        let starts = KNOWN.map(start_of);
        let mut known = [None; KNOWN.len()];
        for (offset, range) in self.sections() {
            let name = self.names.get(offset as usize..).unwrap_or_default();
            // The first eight bytes rule nearly all names out; none of those that are wanted is shorter.
            if !starts.contains(&start_of(name)) {
                continue;
            }
            for (place, wanted) in known.iter_mut().zip(KNOWN) {
                if place.is_none() && name.starts_with(wanted) {
                    *place = range.filter(|range| range.offset != 0);
                }
            }
        }
        self.known = known;
    }

    /// The first section of a name that lies inside the file. compat: one at its very beginning does not count
    /// (random damage in tests/compliance/src/damaged.rs).
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<Range> {
        let is_known = |known: &&[u8]| known.strip_suffix(b"\0") == Some(name);
        if let Some(place) = KNOWN.iter().position(is_known) {
            return self.known.get(place).copied().flatten();
        }
        self.sections().find_map(|(offset, range)| {
            range.filter(|range| range.offset != 0 && self.is_named(offset, name))
        })
    }

    /// The offset of each section's name, and the section if it lies inside the file. Number 0 stands for no section,
    /// whatever it is called.
    fn sections(&self) -> impl Iterator<Item = (u32, Option<Range>)> {
        (1..).map_while(|number| self.entry(number))
    }

    /// Whether the file is what `objcopy --only-keep-debug` makes of a module: the headers of its sections are there,
    /// but those that the kernel would load, such as `.modinfo`, have no bytes in the file. Where they are said to be
    /// stands something else.
    #[must_use]
    pub fn is_debug_only(&self) -> bool {
        const LOADED: [&[u8]; 2] = [b".modinfo", b".gnu.linkonce.this_module"];
        let mut kinds = (1..).map_while(|number| self.kind(number));
        kinds.any(|(name, kind)| {
            kind == elf::SHT_NOBITS && LOADED.iter().any(|loaded| self.is_named(name, loaded))
        })
    }

    /// The offset of a section's name, and its type.
    fn kind(&self, number: u16) -> Option<(u32, elf::SectionType)> {
        match self.class {
            Class::Elf32 => self.kind_of::<elf::SectionHeader32<Endianness>>(number),
            Class::Elf64 => self.kind_of::<elf::SectionHeader64<Endianness>>(number),
        }
    }

    fn kind_of<S: SectionHeader<Endian = Endianness>>(&self, number: u16) -> Option<(u32, elf::SectionType)> {
        let header = self.header::<S>(number)?;
        Some((header.sh_name(self.endian), header.sh_type(self.endian)))
    }

    fn header<S: SectionHeader<Endian = Endianness>>(&self, number: u16) -> Option<&'b S> {
        let bytes = self.table.get(usize::from(number) * size_of::<S>()..)?;
        pod::from_bytes::<S>(bytes).ok().map(|(header, _)| header)
    }

    /// Whether a name at an offset is that one.
    fn is_named(&self, offset: u32, name: &[u8]) -> bool {
        let rest = self.names.get(offset as usize..).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }

    /// A section by its number, if it lies inside the file.
    #[must_use]
    pub fn section_at(&self, number: u16) -> Option<Range> {
        self.entry(number)?.1
    }

    /// The offset of a section's name, and the section if it lies inside the file.
    fn entry(&self, number: u16) -> Option<(u32, Option<Range>)> {
        match self.class {
            Class::Elf32 => self.entry_of::<elf::SectionHeader32<Endianness>>(number),
            Class::Elf64 => self.entry_of::<elf::SectionHeader64<Endianness>>(number),
        }
    }

    fn entry_of<S: SectionHeader<Endian = Endianness>>(&self, number: u16) -> Option<(u32, Option<Range>)> {
        let header = self.header::<S>(number)?;
        let range =
            Range { offset: header.sh_offset(self.endian).into(), len: header.sh_size(self.endian).into() };
        let is_inside = range.offset.checked_add(range.len).is_some_and(|end| end <= self.file_len);
        Some((header.sh_name(self.endian), is_inside.then_some(range)))
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
}

/// Names of sections that are asked for, with the NUL behind them.
const KNOWN: [&[u8]; 7] = [
    b".modinfo\0",
    b".symtab\0",
    b".strtab\0",
    b"__versions\0",
    b"__version_ext_crcs\0",
    b"__version_ext_names\0",
    b"__ksymtab_strings\0",
];

/// Bytes before the section table that are read with it. Section names of real modules take less than 1 KiB.
const NAMES_BEFORE_TABLE: u64 = 1024;

const TABLE_OUTSIDE: ReadError = ReadError::Malformed("the section table lies outside of the file");
const NAMES_OUTSIDE: ReadError = ReadError::Malformed("the section names lie outside of the file");

/// What the file's own header says.
struct Header {
    machine: u16,
    table_offset: u64,
    table_len: u64,
    /// The number of the section that holds the sections' names.
    names_section: u16,
}

impl Header {
    fn read<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'_>,
        endian: Endianness,
    ) -> Result<Self, ReadError> {
        const CUT_OFF: ReadError = ReadError::Malformed("the file ends in its header");
        let mut buffer = Vec::new();
        let header_len = size_of::<Elf>() as u64;
        if image.len() <= header_len {
            return Err(CUT_OFF);
        }
        let bytes = image.bytes(0, header_len, &mut buffer)?;
        let (header, _) = pod::from_bytes::<Elf>(bytes).map_err(|()| CUT_OFF)?;
        let entry_len = size_of::<Elf::SectionHeader>();
        if usize::from(header.e_shentsize(endian)) != entry_len {
            return Err(ReadError::Malformed("unknown size of section headers"));
        }
        Ok(Self {
            machine: header.e_machine(endian).0,
            table_offset: header.e_shoff(endian).into(),
            table_len: (usize::from(header.e_shnum(endian)) * entry_len) as u64,
            names_section: header.e_shstrndx(endian).0,
        })
    }
}
