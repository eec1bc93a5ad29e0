//! Module names and aliases in the one form in which they are compared.
//!
//! Files, configuration and people write `snd-hda` and `snd_hda` for the same module. Everything that
//! compares names holds a [`ModuleName`], converted at the edge, so the two spellings never meet.
//! Names are bytes: a file name need not be UTF-8.

use std::borrow::Cow;
use std::fmt;

/// The suffixes by which a file is recognised as a module, longest ending first.
pub const MODULE_SUFFIXES: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// A module's name as the kernel writes it: cut at the first `.`, every `-` turned into `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName(Box<[u8]>);

impl ModuleName {
    /// The name that a file's base name, a line of `modules.builtin` or an operand of rmmod stands for.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let end = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
        Self(text.iter().take(end).map(|&byte| underscore(byte)).collect())
    }

    /// A name exactly as written, such as the target of an alias: it is looked up as it is, and one with a `.`
    /// or a `-` is not a module's.
    #[must_use]
    pub fn verbatim(text: &[u8]) -> Self {
        Self(text.into())
    }

    /// The name of the module in the file at `path`, taken from the part after the last `/`.
    #[must_use]
    pub fn of_path(path: &[u8]) -> Self {
        Self::new(path.rsplit(|&byte| byte == b'/').next().unwrap_or(path))
    }

    /// The name as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name for people; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_text())
    }
}

impl From<&str> for ModuleName {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// An alias has a bracket without its partner, so no rule says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unmatched bracket")]
pub struct UnmatchedBracket;

/// An alias, or a name looked up as one, in the form in which aliases are compared: every `-` becomes `_`
/// except inside `[...]`, where it is a range. Nothing is cut at a `.`.
///
/// # Errors
/// [`UnmatchedBracket`] for a `]` outside of brackets or a `[` that is never closed.
pub fn normalize_alias(alias: &[u8]) -> Result<Cow<'_, [u8]>, UnmatchedBracket> {
    if memchr::memchr3(b'-', b'[', b']', alias).is_none() {
        return Ok(Cow::Borrowed(alias));
    }
    let mut bytes = Vec::with_capacity(alias.len());
    let mut bracketed = false;
    for &byte in alias {
        match byte {
            b'[' => bracketed = true,
            b']' if bracketed => bracketed = false,
            b']' => return Err(UnmatchedBracket),
            _ => {}
        }
        bytes.push(if bracketed { byte } else { underscore(byte) });
    }
    if bracketed { Err(UnmatchedBracket) } else { Ok(Cow::Owned(bytes)) }
}

/// The length of the module suffix of a file name, or `None` if the name is not a module's.
#[must_use]
pub fn suffix_len(file_name: &[u8]) -> Option<usize> {
    MODULE_SUFFIXES
        .iter()
        .find(|suffix| file_name.len() > suffix.len() && file_name.ends_with(suffix.as_bytes()))
        .map(|suffix| suffix.len())
}

fn underscore(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_name_ends_at_the_first_dot_and_has_no_dash() {
        for (text, name) in
            [("foo-bar.ko.xz", "foo_bar"), ("foo_bar", "foo_bar"), ("a.b-c", "a"), (".ko", ""), ("", "")]
        {
            assert_eq!(ModuleName::from(text).to_text(), name, "{text}");
        }
        assert_eq!(ModuleName::of_path(b"kernel/fs/nls/nls-utf8.ko").to_text(), "nls_utf8");
    }

    #[test]
    fn dashes_of_an_alias_become_underscores_outside_of_brackets() {
        for (alias, normalized) in [
            ("net-pf-10", Ok("net_pf_10")),
            ("a-[0-9]-b", Ok("a_[0-9]_b")),
            ("usb:v*dc-a", Ok("usb:v*dc_a")),
            ("[[a-]-]", Err(UnmatchedBracket)),
            ("a]", Err(UnmatchedBracket)),
            ("a[b", Err(UnmatchedBracket)),
        ] {
            assert_eq!(
                normalize_alias(alias.as_bytes()),
                normalized.map(|text: &str| text.as_bytes().into()),
                "{alias}"
            );
        }
    }

    #[test]
    fn a_module_file_has_something_before_its_suffix() {
        for (name, len) in [
            ("a.ko", Some(3)),
            (".ko", None),
            ("a.ko.xz", Some(6)),
            ("a.ko.zst", Some(7)),
            ("a.ko.bz2", None),
        ] {
            assert_eq!(suffix_len(name.as_bytes()), len, "{name}");
        }
    }
}
