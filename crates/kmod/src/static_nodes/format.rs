//! The forms in which device nodes are shown.

use std::ffi::OsStr;

use super::entry::{Entry, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Human,
    /// Lines of tmpfiles.d(5), which make the nodes.
    Tmpfiles,
    /// As depmod wrote them.
    Devname,
}

impl Format {
    pub fn of_name(name: &OsStr) -> Option<Self> {
        match name.to_str()? {
            "human" => Some(Self::Human),
            "tmpfiles" => Some(Self::Tmpfiles),
            "devname" => Some(Self::Devname),
            _ => None,
        }
    }

    pub fn show(self, entry: &Entry<'_>, text: &mut Vec<u8>) {
        let Entry { module, node, kind, major, minor } = *entry;
        let mut add = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
        let letter = kind.letter();
        match self {
            Self::Human => {
                let kind: &[u8] = match kind {
                    Kind::Character => b"character",
                    Kind::Block => b"block",
                };
                add(&[
                    b"Module: ",
                    module,
                    b"\n\tDevice node: /dev/",
                    node,
                    b"\n\t\tType: ",
                    kind,
                    b" device\n",
                ]);
                add(&[format!("\t\tMajor: {major}\n\t\tMinor: {minor}\n").as_bytes()]);
            }
            Self::Tmpfiles => {
                if let Some(slash) = node.iter().rposition(|&byte| byte == b'/') {
                    add(&[b"d /dev/", node.get(..slash).unwrap_or_default(), b" 0755 - - -\n"]);
                }
                let numbers = format!(" 0600 - - - {major}:{minor}\n");
                add(&[format!("{letter}! /dev/").as_bytes(), node, numbers.as_bytes()]);
            }
            Self::Devname => add(&[module, b" ", node, format!(" {letter}{major}:{minor}\n").as_bytes()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_the_same() {
        let shown = |format: Format, node: &[u8], kind| {
            let mut text = Vec::new();
            format.show(&Entry { module: b"m", node, kind, major: 1, minor: 2 }, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            shown(Format::Human, b"n", Kind::Block),
            "Module: m\n\tDevice node: /dev/n\n\t\tType: block device\n\t\tMajor: 1\n\t\tMinor: 2\n"
        );
        for (node, lines) in [
            (&b"n"[..], "c! /dev/n 0600 - - - 1:2\n"),
            (b"a//b", "d /dev/a/ 0755 - - -\nc! /dev/a//b 0600 - - - 1:2\n"),
            (b"/abs", "d /dev/ 0755 - - -\nc! /dev//abs 0600 - - - 1:2\n"),
        ] {
            assert_eq!(shown(Format::Tmpfiles, node, Kind::Character), lines);
        }
        assert_eq!(shown(Format::Devname, b"a/b", Kind::Block), "m a/b b1:2\n");
    }
}
