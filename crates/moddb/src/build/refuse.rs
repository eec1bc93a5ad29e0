//! What a module says that must not get into the database.
//!
//! The text files have lines and words, and `modules.softdep` and `modules.weakdep` are configuration of modprobe. A
//! string in a module or the name of its file that has a newline would become a line of its own there, such as an
//! `install` line, whose command runs as root; and a backslash at its end would swallow the line behind it.

use modfile::ModuleName;

/// Why something that a module says, or its path, is left out of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A byte below 0x20, 0x7f or a backslash, which would end its line or join it with the next one.
    #[error("it has a control character or a backslash")]
    NotOneLine,
    /// The path of a device node has a blank, which would end it, or leads out of `/dev`.
    #[error("it is no path below /dev")]
    NotBelowDev,
    /// The module's own name has a blank or a wildcard, so that the line would speak of other modules.
    #[error("the module's name is not one plain word")]
    NameIsPattern,
    /// Longer than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

/// What kind of string it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The value of `alias=`.
    Alias,
    /// The value of `softdep=`.
    Softdep,
    /// The value of `weakdep=`.
    Weakdep,
    /// The name of an exported symbol.
    Symbol,
    /// The path of a device node, from `alias=devname:`.
    DeviceNode,
}

impl Said {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Softdep => "softdep",
            Self::Weakdep => "weakdep",
            Self::Symbol => "symbol",
            Self::DeviceNode => "devname",
        }
    }
}

/// The longest alias, symbol or path of a device node that is recorded, in bytes. Real ones have a few hundred.
pub const LONGEST: usize = 4096;

/// Whether text stays one line, and one part of it, wherever it is written.
pub(crate) fn is_one_line(text: &[u8]) -> bool {
    let stays = |byte: u8| byte >= b' ' && byte != 0x7f && byte != b'\\';
    // Every string of every module is looked at, so eight bytes at a time; the last eight may overlap the ones before.
    match text.last_chunk() {
        Some(last) => {
            text.as_chunks().0.iter().chain([last]).all(|word| !has_other(u64::from_ne_bytes(*word)))
        }
        None => text.iter().all(|&byte| stays(byte)),
    }
}

/// Whether one of eight bytes ends a line or joins it with the next one. A byte's highest bit is set where something is
/// subtracted that is larger than the byte; bytes that have it set already are none of those.
fn has_other(word: u64) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let is_below = |word: u64, limit: u8| word.wrapping_sub(each(limit)) & !word & each(0x80);
    is_below(word, b' ') | is_below(word ^ each(0x7f), 1) | is_below(word ^ each(b'\\'), 1) != 0
}

/// Whether the path of a module file can be recorded.
pub(super) fn path(path: &[u8]) -> Option<Reason> {
    (!is_one_line(path)).then_some(Reason::NotOneLine)
}

/// Why an alias or the name of a symbol is left out.
pub(super) fn key(text: &[u8]) -> Option<Reason> {
    if text.len() > LONGEST { Some(Reason::TooLong) } else { path(text) }
}

/// Why a line of `modules.softdep` or `modules.weakdep` is left out.
pub(super) fn configuration(module: &ModuleName, text: &[u8]) -> Option<Reason> {
    let is_word = |byte: &u8| !matches!(byte, b' ' | b'*' | b'?' | b'[' | b']');
    if !module.as_bytes().iter().all(is_word) {
        return Some(Reason::NameIsPattern);
    }
    path(text)
}

/// Why the path of a device node is left out.
pub(super) fn device_node(node: &[u8]) -> Option<Reason> {
    let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let is_below = !node.contains(&b' ') && node.split(|&byte| byte == b'/').all(is_name);
    // compat: an empty path, which leads nowhere, is written as it is (case depmod/module-devname-order).
    key(node).or((!is_below && !node.is_empty()).then_some(Reason::NotBelowDev))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_ends_or_joins_a_line_is_refused_and_no_other() {
        for byte in 1..=u8::MAX {
            let refused = byte < 0x20 || byte == 0x7f || byte == b'\\';
            assert_eq!(key(&[b'a', byte, b'b']).is_some(), refused, "{byte:#x}");
            assert_eq!(path(&[b'a', byte]).is_some(), refused, "{byte:#x}");
            for len in 1..20 {
                for place in 0..len {
                    for other in *b"a ~\xFF\x80" {
                        let mut text = vec![other; len];
                        text[place] = byte;
                        assert_eq!(is_one_line(&text), !refused, "{text:?}");
                    }
                }
            }
        }
        assert_eq!(key(&[b'a'; LONGEST]), None);
        assert_eq!(key(&[b'a'; LONGEST + 1]), Some(Reason::TooLong));
    }

    #[test]
    fn a_device_node_is_a_path_below_dev() {
        for (node, reason) in [
            ("snd/timer", None),
            ("loop-control", None),
            ("../x", Some(Reason::NotBelowDev)),
            ("a/../x", Some(Reason::NotBelowDev)),
            ("a/..", Some(Reason::NotBelowDev)),
            ("/etc/x", Some(Reason::NotBelowDev)),
            ("", None),
            ("a//b", Some(Reason::NotBelowDev)),
            ("a c1:1", Some(Reason::NotBelowDev)),
            ("a\nb", Some(Reason::NotOneLine)),
        ] {
            assert_eq!(device_node(node.as_bytes()), reason, "{node:?}");
        }
    }

    #[test]
    fn a_module_whose_name_is_a_pattern_gets_no_line_of_configuration() {
        for (name, reason) in [
            ("plain", None),
            ("*", Some(Reason::NameIsPattern)),
            ("a[b]", Some(Reason::NameIsPattern)),
            ("a b", Some(Reason::NameIsPattern)),
        ] {
            assert_eq!(configuration(&ModuleName::from(name), b"pre: c"), reason, "{name:?}");
        }
        assert_eq!(configuration(&ModuleName::from("a"), b"pre: b\ninstall * id"), Some(Reason::NotOneLine));
    }
}
