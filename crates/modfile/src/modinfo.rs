//! The `.modinfo` section: `key=value` strings, each ended by NUL.

use std::path::Path;

use crate::elf::{Class, Layout};
use crate::file::{self, Buffers, Image, ReadError};
use crate::symbols::until_nul;

/// The section of a module; `None` if it has none. `buffer` holds it if it must be read.
///
/// # Errors
/// The file cannot be read.
pub fn section<'b>(
    image: &Image<'b>,
    layout: &Layout<'_>,
    buffer: &'b mut Vec<u8>,
) -> Result<Option<&'b [u8]>, ReadError> {
    let Some(range) = layout.section(b".modinfo") else { return Ok(None) };
    image.bytes(range.offset, range.len, buffer).map(Some)
}

/// The strings of one module file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    /// The section; empty if the module has none.
    pub section: Vec<u8>,
    /// The word size of the module's kernel.
    pub class: Class,
}

/// Reads the strings of the module in a file.
///
/// # Errors
/// The file cannot be read, or holds no module.
pub fn of_file(path: &Path) -> Result<Strings, ReadError> {
    let file = file::open(path)?;
    let mut buffers = Buffers::default();
    let image = file::image_with_end(&file, &mut buffers)?;
    let mut names = Default::default();
    let layout = Layout::read(&image, &mut names)?;
    let mut buffer = Vec::new();
    let section = section(&image, &layout, &mut buffer)?.unwrap_or_default().to_vec();
    Ok(Strings { section, class: layout.class })
}

/// The pairs of a `.modinfo` section in order. A run of NULs separates as one does; a string without `=` is
/// a key with an empty value.
pub fn pairs(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = section;
    let strings = std::iter::from_fn(move || {
        while let Some((0, after)) = rest.split_first() {
            rest = after;
        }
        let string = until_nul(rest);
        rest = rest.get(string.len()..)?;
        (!string.is_empty()).then_some(string)
    });
    strings.map(|string| match string.iter().position(|&byte| byte == b'=') {
        Some(equals) => {
            let (key, rest) = string.split_at(equals);
            (key, rest.get(1..).unwrap_or_default())
        }
        None => (string, [].as_slice()),
    })
}

/// The values of one key, in order.
pub fn values<'a>(section: &'a [u8], key: &str) -> impl Iterator<Item = &'a [u8]> {
    pairs(section).filter(move |(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_first_equals_sign_and_at_runs_of_nuls() {
        let section = b"\0\0alias=a=b\0\0\0flag\0empty=\0last=x";
        let found: Vec<_> = pairs(section).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"alias", b"a=b"), (b"flag", b""), (b"empty", b""), (b"last", b"x")];
        assert_eq!(found, expected);
        assert_eq!(values(section, "alias").collect::<Vec<_>>(), [b"a=b"]);
    }
}
