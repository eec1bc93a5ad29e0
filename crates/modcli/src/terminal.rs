//! Text on a terminal: what it must not obey, and how severity looks.
//!
//! Names of modules, paths and what a module says about itself can hold anything. Written to a terminal as they are,
//! they could clear it, rename its window or type for the user. So what goes to a terminal passes through [`safe`]; into
//! files and pipes everything goes as it is, because programs read it there.

use std::borrow::Cow;
use std::ffi::OsStr;

use crate::severity::Severity;

/// Back to the terminal's own look.
pub(crate) const PLAIN: &str = "\x1b[0m";
/// A hint: cyan.
pub(crate) const HINT: &str = "\x1b[36m";

/// The look of a message's word: red for what was not done, yellow for what is not as it should be.
pub(crate) fn look(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Fatal | Severity::Error => Some("\x1b[1;31m"),
        Severity::Warning => Some("\x1b[33m"),
        Severity::Notice | Severity::Info | Severity::Debug => None,
    }
}

/// Whether a terminal is to be shown colours. `value` returns variables of the environment: `NO_COLOR` switches
/// them off if it is not empty (no-color.org); a terminal that calls itself dumb, or nothing, has none.
pub(crate) fn shows_colours<V: AsRef<OsStr>>(value: impl Fn(&str) -> Option<V>) -> bool {
    let is_set = |name: &str| value(name).is_some_and(|value| !value.as_ref().is_empty());
    let is_dumb = value("TERM").is_some_and(|terminal| terminal.as_ref() == "dumb");
    is_set("TERM") && !is_dumb && !is_set("NO_COLOR")
}

/// Text that moves no cursor and changes no terminal: control characters but line break and tab, characters that turn
/// the direction of writing, and bytes that are not UTF-8 are shown as `\xHH`.
#[must_use]
pub fn safe(text: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if text.iter().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut safe = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            match is_obeyed(character) {
                true => escape(bytes, &mut safe),
                false => safe.extend_from_slice(bytes),
            }
        }
        escape(chunk.invalid(), &mut safe);
    }
    Cow::Owned(safe)
}

fn is_obeyed(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() && !matches!(character, '\n' | '\t')
}

fn escape(bytes: &[u8], into: &mut Vec<u8>) {
    for byte in bytes {
        into.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_and_the_rest_stays() {
        let cases: &[(&[u8], &str)] = &[
            (b"a b\tc\nd", "a b\tc\nd"),
            ("é \u{20ac}".as_bytes(), "é \u{20ac}"),
            (b"\x1b]0;x\x07\x7f\r", r"\x1b]0;x\x07\x7f\x0d"),
            ("\u{9b}2J".as_bytes(), r"\xc2\x9b2J"),
            (b"\x9b2J\xff", r"\x9b2J\xff"),
            ("a\u{202e}b".as_bytes(), r"a\xe2\x80\xaeb"),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8_lossy(&safe(text)), *expected, "{text:?}");
        }
    }

    #[test]
    fn colours_are_for_terminals_that_have_them_and_people_who_want_them() {
        let with = |terminal: Option<&'static str>, no_color: Option<&'static str>| {
            shows_colours(move |name| if name == "TERM" { terminal } else { no_color })
        };
        assert!(with(Some("xterm"), None) && with(Some("linux"), Some("")));
        assert!(!with(Some("xterm"), Some("1")) && !with(Some("dumb"), None));
        assert!(!with(None, None) && !with(Some(""), None));
    }

    proptest! {
        #[test]
        fn nothing_that_is_obeyed_is_left_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let shown = safe(&bytes).into_owned();
            let text = String::from_utf8(shown).unwrap();
            prop_assert!(!text.chars().any(is_obeyed));
        }
    }
}
