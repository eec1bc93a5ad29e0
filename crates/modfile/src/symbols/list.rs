//! Lists of symbols as they are kept for each module.

use crate::file::ReadError;
use crate::strings::Strings;

/// The longest list of names that is accepted, in bytes. Names may overlap in the file, so a small file can
/// claim to hold an immense list; the largest real ones take a few megabytes.
const NAMES_LIMIT: usize = 64 << 20;

/// Symbols with checksums, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolList {
    names: Strings,
    crcs: Vec<u64>,
}

impl SymbolList {
    /// Names and checksums as they are stored.
    #[must_use]
    pub fn parts(&self) -> (&Strings, &[u64]) {
        (&self.names, &self.crcs)
    }

    /// The list of these names and checksums; `None` unless there are as many of each.
    #[must_use]
    pub fn from_parts(names: Strings, crcs: Vec<u64>) -> Option<Self> {
        (names.len() == crcs.len()).then_some(Self { names, crcs })
    }

    /// Adds a symbol at the end. A symbol without checksum has 0.
    pub fn push(&mut self, name: &[u8], crc: u64) {
        self.names.push(name);
        self.crcs.push(crc);
    }

    pub(super) fn check_limit(&self) -> Result<(), ReadError> {
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
    /// Symbols, and whether each is weak, as they are stored.
    #[must_use]
    pub fn parts(&self) -> (&SymbolList, &[bool]) {
        (&self.symbols, &self.weak)
    }

    /// The needs of these symbols; `None` unless there are as many of each.
    #[must_use]
    pub fn from_parts(symbols: SymbolList, weak: Vec<bool>) -> Option<Self> {
        (symbols.len() == weak.len()).then_some(Self { symbols, weak })
    }

    pub(super) fn check_limit(&self) -> Result<(), ReadError> {
        self.symbols.check_limit()
    }

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
