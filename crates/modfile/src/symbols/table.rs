//! The symbol table, `.symtab` with its names in `.strtab`.

use object::elf::{self, FileHeader32, FileHeader64, STB_WEAK};
use object::endian::Endianness;
use object::pod;
use object::read::elf::{FileHeader, Sym};

use crate::elf::{Class, Layout};
use crate::file::{Image, PART_LIMIT, ReadError};

pub(super) const SHN_UNDEF: u16 = elf::SHN_UNDEF.0;
pub(super) const SHN_ABS: u16 = elf::SHN_ABS.0;

/// An entry of the symbol table, as far as it matters here. Most entries matter to nobody, so finding the end
/// of their names is left for later.
pub(super) struct Symbol<'a> {
    /// The rest of the string table from the name's first byte on; `None` if the name lies outside of it.
    pub(super) name_and_rest: Option<&'a [u8]>,
    pub(super) value: u64,
    pub(super) section: u16,
    pub(super) kind: u8,
    pub(super) weak: bool,
}

/// A name ends at a NUL, or with the table. Names are short, and there are hundreds of thousands: eight bytes at a time
/// take less time than a search that is made for long texts.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is set stands in the first byte that is zero.
        let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
        if zeros != 0 {
            let end = number * size_of::<u64>() + zeros.trailing_zeros() as usize / 8;
            return bytes.get(..end).unwrap_or(bytes);
        }
    }
    let before = bytes.len() - rest.len();
    let end = rest.iter().position(|&byte| byte == 0).map_or(bytes.len(), |end| before + end);
    bytes.get(..end).unwrap_or(bytes)
}

/// The bytes of `.symtab` and `.strtab`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SymbolTable<'b> {
    is_there: bool,
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
        layout: &Layout<'_>,
        buffers: &'b mut [Vec<u8>; 2],
    ) -> Result<Self, ReadError> {
        let (Some(symbols), Some(names)) = (layout.section(b".symtab"), layout.section(b".strtab")) else {
            return Ok(Self::default());
        };
        // compat: a table that ends within an entry is ignored (random damage in tests/compliance/src/damaged.rs).
        let entry_len = match layout.class {
            Class::Elf32 => size_of::<elf::Sym32<Endianness>>(),
            Class::Elf64 => size_of::<elf::Sym64<Endianness>>(),
        };
        if !symbols.len.is_multiple_of(entry_len as u64) {
            return Ok(Self::default());
        }
        let [symbol_buffer, name_buffer] = buffers;
        // Compilers put one right behind the other: one read fetches both.
        if symbols.offset.checked_add(symbols.len) == Some(names.offset)
            && let Some(len) = symbols.len.checked_add(names.len)
            && len <= PART_LIMIT
        {
            let both = image.bytes(symbols.offset, len, symbol_buffer)?;
            let at = usize::try_from(symbols.len).unwrap_or(usize::MAX);
            let (symbols, names) = both.split_at_checked(at).unwrap_or_default();
            return Ok(Self { is_there: true, symbols, names });
        }
        Ok(Self {
            is_there: true,
            symbols: image.bytes(symbols.offset, symbols.len, symbol_buffer)?,
            names: image.bytes(names.offset, names.len, name_buffer)?,
        })
    }

    /// Whether there is a symbol table; it may still be empty.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// The bytes of all names.
    pub(super) fn names(&self) -> &'b [u8] {
        self.names
    }

    /// Shows every symbol of the sections that are `wanted` to `visit`, in order, until that fails.
    pub(super) fn try_each<E>(
        &self,
        layout: &Layout<'_>,
        wanted: impl Fn(u16) -> bool,
        visit: impl FnMut(Symbol<'b>) -> Result<(), E>,
    ) -> Result<(), E> {
        match layout.class {
            Class::Elf32 => self.try_each_of::<FileHeader32<Endianness>, E>(layout.endian, wanted, visit),
            Class::Elf64 => self.try_each_of::<FileHeader64<Endianness>, E>(layout.endian, wanted, visit),
        }
    }

    fn try_each_of<Elf: FileHeader<Endian = Endianness>, E>(
        &self,
        endian: Endianness,
        wanted: impl Fn(u16) -> bool,
        mut visit: impl FnMut(Symbol<'b>) -> Result<(), E>,
    ) -> Result<(), E>
    where
        Elf::Sym: 'b,
    {
        let count = self.symbols.len() / size_of::<Elf::Sym>();
        let symbols: &'b [Elf::Sym] =
            pod::slice_from_bytes(self.symbols, count).map(|(symbols, _)| symbols).unwrap_or_default();
        // The first entry stands for "no symbol".
        for symbol in symbols.get(1..).unwrap_or_default() {
            let section = symbol.st_shndx(endian).0;
            if !wanted(section) {
                continue;
            }
            let name_and_rest = self.names.get(symbol.st_name(endian) as usize..);
            visit(Symbol {
                name_and_rest: name_and_rest.filter(|rest| !rest.is_empty()),
                value: symbol.st_value(endian).into(),
                section,
                kind: symbol.st_type().0,
                weak: symbol.st_bind() == STB_WEAK,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_the_first_nul_wherever_it_is() {
        for len in 0..40 {
            for other in [b'a', 1, 0x7f, 0x80, 0xff] {
                let mut bytes = vec![other; len];
                assert_eq!(until_nul(&bytes), bytes);
                for end in (0..len).rev() {
                    bytes[end] = 0;
                    assert_eq!(until_nul(&bytes), vec![other; end], "{len} {end} {other}");
                }
            }
        }
    }
}
