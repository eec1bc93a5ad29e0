//! Lists of symbols as they are kept for each module.

use crate::file::ReadError;
use crate::list::{Item, List, ListKind, append_start, put_number, take_array, take_number};

/// The longest list of symbols that is accepted, in bytes. Names may overlap in the file, so a small file can
/// claim to hold an immense list; the largest real ones take some hundred thousand.
const LIST_LIMIT: usize = 4 << 20;

/// The number of bytes in which a checksum stands if it can.
const CHECKSUM: usize = 4;

/// Symbols that a module offers to others, in the order of the file.
pub type Exports = List<Exported>;

/// Symbols that a module needs from others, in the order of the file.
pub type Needs = List<Needed>;

/// An exported symbol in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported {}

/// A needed symbol in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {}

impl ListKind for Exported {
    type Item<'a> = Export<'a>;
}

impl ListKind for Needed {
    type Item<'a> = Need<'a>;
}

/// One symbol that a module exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export<'a> {
    /// The symbol's name.
    pub name: &'a [u8],
    /// Its checksum, 0 if it has none.
    pub crc: u64,
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

impl<'a> Item<'a> for Export<'a> {
    fn put(self, list: &mut Vec<u8>) {
        put_number::<CHECKSUM>(list, self.crc);
        self.name.put(list);
    }

    fn take(list: &mut &'a [u8]) -> Option<Self> {
        let crc = take_number::<CHECKSUM>(list)?;
        Some(Self { name: Item::take(list)?, crc })
    }
}

impl Need<'_> {
    /// Puts the need at the end of a list. Its name is what `longer` begins with.
    pub(super) fn put_from(self, longer: &[u8], list: &mut Vec<u8>) {
        let [a, b, c, d, rest @ ..] = self.crc.to_le_bytes();
        let weak = u8::from(self.weak);
        match u8::try_from(self.name.len()) {
            // Nearly all of them: what stands before the name is added at once.
            Ok(len) if len != u8::MAX && rest == [0; 4] && [a, b, c, d] != [u8::MAX; 4] => {
                list.extend_from_slice(&[weak, a, b, c, d, len]);
                append_start(list, longer, self.name.len());
            }
            _ => {
                list.push(weak);
                put_number::<CHECKSUM>(list, self.crc);
                self.name.put(list);
            }
        }
    }
}

impl<'a> Item<'a> for Need<'a> {
    fn put(self, list: &mut Vec<u8>) {
        self.put_from(self.name, list);
    }

    fn take(list: &mut &'a [u8]) -> Option<Self> {
        let [weak] = take_array(list)?;
        let crc = take_number::<CHECKSUM>(list)?;
        Some(Self { name: Item::take(list)?, crc, weak: weak != 0 })
    }
}

pub(super) fn check_limit<K: ListKind>(list: &List<K>) -> Result<(), ReadError> {
    if list.as_bytes().len() > LIST_LIMIT {
        return Err(ReadError::Malformed("the names of its symbols have more than 4 MiB"));
    }
    Ok(())
}
