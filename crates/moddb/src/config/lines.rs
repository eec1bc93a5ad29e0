//! The logical lines of a configuration file, the same for modprobe.d and depmod.d.
//!
//! A backslash before a newline joins the next line, both characters vanish; before any other character the
//! backslash is dropped and the character stays; at the end of the file it is dropped. Lines that are empty,
//! consist of separators only or begin with `#` say nothing. Text after a NUL is not part of its line.
//! Nothing here knows what a line means.

use std::borrow::Cow;

/// A line that says something, its continuations joined and its backslashes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The number of the last physical line it is made of, counted from 1.
    pub(crate) number: u32,
    /// The text without its newline.
    pub(crate) text: Cow<'a, [u8]>,
}

/// The lines of `text` that say something.
pub(crate) fn logical_lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    LogicalLines { rest: text, number: 0 }.filter(|line| !says_nothing(&line.text))
}

/// Splits off the first word: the word and what follows the one separator after it.
///
/// Separators before the word are skipped. The rest is `None` if nothing, not even a separator, follows.
pub(crate) fn split_word(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let start = text.iter().position(|&byte| !is_separator(byte))?;
    let (_, text) = text.split_at(start);
    match text.iter().position(|&byte| is_separator(byte)) {
        Some(end) => {
            let (word, rest) = text.split_at(end);
            Some((word, rest.split_first().map(|(_, rest)| rest)))
        }
        None => Some((text, None)),
    }
}

/// The words of `text`, separated by spaces and tabs.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| is_separator(byte)).filter(|word| !word.is_empty())
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn says_nothing(text: &[u8]) -> bool {
    text.first() == Some(&b'#') || text.iter().all(|&byte| is_separator(byte))
}

struct LogicalLines<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Iterator for LogicalLines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let text = match memchr::memchr2(b'\n', b'\\', self.rest) {
            Some(at) if self.rest.get(at) == Some(&b'\\') => Cow::Owned(self.take_escaped(at)),
            found => Cow::Borrowed(self.take_plain(found)),
        };
        Some(Line { number: self.number, text: until_nul(text) })
    }
}

impl<'a> LogicalLines<'a> {
    /// Takes the line that ends at `newline`, or all that is left.
    fn take_plain(&mut self, newline: Option<usize>) -> &'a [u8] {
        self.number = self.number.saturating_add(1);
        let (line, rest) = self.rest.split_at(newline.unwrap_or(self.rest.len()));
        self.rest = rest.split_first().map_or(rest, |(_, rest)| rest);
        line
    }

    /// Takes a line whose first backslash is at `first`, resolving all of them.
    fn take_escaped(&mut self, first: usize) -> Vec<u8> {
        let (plain, rest) = self.rest.split_at(first);
        let mut text = plain.to_vec();
        let mut bytes = rest.iter();
        self.number = self.number.saturating_add(1);
        while let Some(&byte) = bytes.next() {
            match byte {
                b'\n' => break,
                b'\\' => match bytes.next() {
                    Some(b'\n') => self.number = self.number.saturating_add(1),
                    None => {}
                    Some(&escaped) => text.push(escaped),
                },
                _ => text.push(byte),
            }
        }
        self.rest = bytes.as_slice();
        text
    }
}

fn until_nul(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let Some(end) = memchr::memchr(0, &text) else { return text };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.split_at(end).0),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, String)> {
        logical_lines(text.as_bytes())
            .map(|line| (line.number, String::from_utf8_lossy(&line.text).into_owned()))
            .collect()
    }

    #[test]
    fn a_backslash_joins_lines_and_is_dropped_before_anything_else() {
        for (text, expected) in [
            ("a\nb\n", vec![(1, "a"), (2, "b")]),
            ("a", vec![(1, "a")]),
            ("a\\\nb\nc\n", vec![(2, "ab"), (3, "c")]),
            ("foo \\\n\\\n bar\nbaz\n", vec![(3, "foo  bar"), (4, "baz")]),
            ("a\\nb\\\\c\n", vec![(1, "anb\\c")]),
            ("a\\", vec![(1, "a")]),
            ("a\\\n", vec![(2, "a")]),
            ("a\\ b\n", vec![(1, "a b")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(n, t)| (n, t.to_owned())).collect();
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_say_nothing_but_are_counted() {
        assert_eq!(lines("\n \t\n#x\n\\#y\n#c\\\nd\n #e\n"), [(7, " #e".to_owned())]);
    }

    #[test]
    fn a_nul_ends_the_text_of_its_line() {
        assert_eq!(lines("a\0b\\\nc\nd\n"), [(2, "a".to_owned()), (3, "d".to_owned())]);
    }

    #[test]
    fn the_rest_begins_after_one_separator() {
        assert_eq!(split_word(b"  a  b "), Some((&b"a"[..], Some(&b" b "[..]))));
        assert_eq!(split_word(b"a\t"), Some((&b"a"[..], Some(&b""[..]))));
        assert_eq!(split_word(b"a"), Some((&b"a"[..], None)));
        assert_eq!(split_word(b" "), None);
    }
}
