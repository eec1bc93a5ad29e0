//! Placeholders for what differs from run to run by nature: the root directory's path, numbers of descriptors,
//! addresses in memory, names of temporary files. Everything else stays as it was, line by line.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::snapshot::{Changes, Node};

/// A program's output, in which the running kernel's release may stand.
pub fn output(shown: &[u8], root: &Path, running: &str) -> Vec<u8> {
    replace(&text(shown, root), running.as_bytes(), b"{running}")
}

/// A text file, or what else stays as it is on every kernel.
pub fn text(text: &[u8], root: &Path) -> Vec<u8> {
    let text = replace(text, root.as_os_str().as_bytes(), b"{root}");
    let text = numbers(&text, b"fstatat(", u8::is_ascii_digit, 1, b"{descriptor}");
    let text = numbers(&text, b" openat(", u8::is_ascii_digit, 1, b"{descriptor}");
    let text = numbers(&text, b" 0x", u8::is_ascii_hexdigit, 9, b"{address}");
    let text = numbers(&text, b"=0x", u8::is_ascii_hexdigit, 9, b"{address}");
    temporary_names(&text)
}

/// What a run changed. In binary files the placeholder is as long as what it replaces, so that offsets hold.
pub fn changes(changes: Changes, root: &Path) -> Changes {
    let node = |path: &[u8], node| match node {
        Node::File(mode, content) if path.ends_with(b".bin") => {
            let mut padded = b"{root}".to_vec();
            padded.resize(root.as_os_str().len().max(padded.len()), b'/');
            Node::File(mode, replace(&content, root.as_os_str().as_bytes(), &padded))
        }
        Node::File(mode, content) => Node::File(mode, text(&content, root)),
        Node::Link(target) => Node::Link(text(&target, root)),
        other => other,
    };
    let changes = changes.into_iter();
    changes.map(|(path, after)| (temporary_names(&path), after.map(|after| node(&path, after)))).collect()
}

/// Replaces the number after each `mark` if it has at least `least` digits: checksums are shorter than addresses.
fn numbers(text: &[u8], mark: &[u8], digit: fn(&u8) -> bool, least: usize, placeholder: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        let (before, after) = rest.split_at(at + mark.len());
        out.extend_from_slice(before);
        let digits = after.iter().take_while(|byte| digit(byte)).count();
        rest = after;
        if digits >= least {
            out.extend_from_slice(placeholder);
            rest = after.get(digits..).unwrap_or_default();
        }
    }
    out.extend_from_slice(rest);
    out
}

/// `tmpfileAb3xYz` of kmod 34 and `modules.dep.123.456.789` of kmod 30.
fn temporary_names(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let word_end = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"._".contains(byte));
    for word in text.split_inclusive(word_end) {
        let end = word.iter().position(word_end).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        let random = name.strip_prefix(b"tmpfile").is_some_and(|random| random.len() == 6);
        let parts: Vec<&[u8]> = name.split(|byte| *byte == b'.').collect();
        let numbered = parts.len() > 4
            && name.starts_with(b"modules.")
            && parts.iter().rev().take(3).all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
        if random {
            out.extend_from_slice(b"tmpfile{random}");
        } else if numbered {
            let kept: Vec<&[u8]> = parts.iter().take(parts.len() - 3).copied().collect();
            out.extend(kept.join(&b'.'));
            out.extend_from_slice(b".{random}");
        } else {
            out.extend_from_slice(name);
        }
        out.extend_from_slice(after);
    }
    out
}

/// All occurrences of `from`, which is not empty, replaced by `to`.
pub fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else {
            out.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_by_nature_is_replaced() {
        let seen = text(
            b"x /r/a/b: fstatat(12, c) tmpfileAbCd12 tmpfile1 modules.dep.bin.1.22.3\n",
            Path::new("/r/a"),
        );
        let expected =
            "x {root}/b: fstatat({descriptor}, c) tmpfile{random} tmpfile1 modules.dep.bin.{random}\n";
        assert_eq!(String::from_utf8_lossy(&seen), expected);
    }

    #[test]
    fn names_of_databases_are_not_taken_for_temporary_ones() {
        assert_eq!(
            text(b"modules.builtin.alias.bin 6.1.0", Path::new("/r")),
            b"modules.builtin.alias.bin 6.1.0"
        );
    }
}
