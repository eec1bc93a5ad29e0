//! The text of a settings file: lines `KEY = VALUE`, comments that a person wrote and that stay, and one line
//! beginning with `#%` that says when it was written and is replaced each time.
//!
//! A value in double quotes is what stands between them: so one that begins or ends with a blank comes back the
//! same, and so does one that has quotes of its own, in two pairs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::key::Key;

/// The longest value, in bytes: a page, the most that sysfs shows.
pub(crate) const LONGEST_VALUE: usize = 4096;

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The release of the running kernel.
    pub release: Vec<u8>,
    /// Seconds since 1970.
    pub time: u64,
}

/// A settings file. Lines that are not understood stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Setting(Key, Vec<u8>),
    Header,
    /// A comment or an empty line.
    Silent(Vec<u8>),
    Bad(Vec<u8>),
}

impl Document {
    /// Reads a file.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Self::default();
        }
        Self { lines: text.split(|&byte| byte == b'\n').map(parse_line).collect() }
    }

    /// The settings in order; of a key that stands twice the last counts.
    pub fn settings(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        let mut later = BTreeSet::new();
        let mut settings: Vec<_> = self.lines.iter().rev().filter_map(setting).collect();
        settings.retain(|(key, _)| later.insert(*key));
        settings.into_iter().rev()
    }

    /// The numbers of the lines that are not understood, from 1.
    pub fn bad_lines(&self) -> impl Iterator<Item = usize> {
        (1..).zip(&self.lines).filter_map(|(number, line)| matches!(line, Line::Bad(_)).then_some(number))
    }

    /// The value of a setting.
    #[must_use]
    pub fn value(&self, key: &Key) -> Option<&[u8]> {
        self.lines.iter().rev().filter_map(setting).find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// Sets a value in the line where it stands, else in a new one at the end.
    pub fn set(&mut self, key: &Key, value: &[u8]) {
        let is_it = |line: &&mut Line| matches!(line, Line::Setting(other, _) if other == key);
        match self.lines.iter_mut().rfind(is_it) {
            Some(Line::Setting(_, old)) => *old = value.to_vec(),
            _ => self.lines.push(Line::Setting(key.clone(), value.to_vec())),
        }
    }

    /// Takes a setting out.
    pub fn remove(&mut self, key: &Key) {
        self.lines.retain(|line| !matches!(line, Line::Setting(other, _) if other == key));
    }

    /// The text of the file.
    #[must_use]
    pub fn format(&self, header: &Header) -> Vec<u8> {
        let release: Vec<u8> =
            header.release.iter().map(|&byte| if byte.is_ascii_graphic() { byte } else { b'?' }).collect();
        let time = utc(header.time);
        let mut text = [b"#% saved on kernel ", release.as_slice(), b" at ", time.as_bytes(), b"\n"].concat();
        for line in &self.lines {
            match line {
                Line::Header => continue,
                Line::Setting(key, value) => {
                    text.extend([key.format().as_slice(), b" = ", &quoted(value)].concat());
                }
                Line::Silent(line) | Line::Bad(line) => text.extend_from_slice(line),
            }
            text.push(b'\n');
        }
        text
    }
}

/// Whether a value can stand in a line and come back the same.
pub(crate) fn is_plain(value: &[u8]) -> bool {
    value.len() <= LONGEST_VALUE
        && std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(|c| c.is_control() && c != '\t'))
}

fn setting(line: &Line) -> Option<(&Key, &[u8])> {
    match line {
        Line::Setting(key, value) => Some((key, value)),
        _ => None,
    }
}

/// A value as it stands in a line.
fn quoted(value: &[u8]) -> Cow<'_, [u8]> {
    let is_same = value.trim_ascii() == value && unquoted(value) == value;
    if is_same { Cow::Borrowed(value) } else { Cow::Owned([b"\"", value, b"\""].concat()) }
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(text)
}

fn parse_line(line: &[u8]) -> Line {
    if line.starts_with(b"#%") {
        return Line::Header;
    }
    let trimmed = line.trim_ascii();
    if trimmed.is_empty() || trimmed.starts_with(b"#") {
        return Line::Silent(line.to_vec());
    }
    let setting = trimmed.iter().position(|&byte| byte == b'=').and_then(|at| {
        let (key, value) = trimmed.split_at(at);
        let value = unquoted(value.get(1..)?.trim_ascii());
        is_plain(value).then_some(Line::Setting(Key::parse(key.trim_ascii())?, value.to_vec()))
    });
    setting.unwrap_or_else(|| Line::Bad(line.to_vec()))
}

/// A moment as people in any place read it; the calendar is that of Howard Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn comments_and_what_is_not_understood_stay_and_the_header_is_new() {
        let text = "#% old\n# mine\n\nparameters/a=1\nnonsense\n  sysctl/x/y =  a b  \nparameters/../a = 1\n";
        let mut document = Document::parse(text.as_bytes());
        let settings: Vec<_> =
            document.settings().map(|(key, value)| (key.to_string(), value.to_vec())).collect();
        assert_eq!(
            settings,
            [("parameters/a".into(), b"1".to_vec()), ("sysctl/x/y".into(), b"a b".to_vec())]
        );
        assert_eq!(document.bad_lines().collect::<Vec<_>>(), [5, 7]);
        document.set(&key("parameters/a"), b"2");
        document.set(&key("parameters/b"), b"3");
        document.remove(&key("sysctl/x/y"));
        let written = document.format(&Header { release: b"6.1 x".to_vec(), time: 1_700_000_000 });
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "#% saved on kernel 6.1?x at 2023-11-14T22:13:20Z\n# mine\n\nparameters/a = 2\nnonsense\n\
             parameters/../a = 1\nparameters/b = 3\n"
        );
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts() {
        let document = Document::parse(b"parameters/a = 1\nparameters/a = 2\n");
        assert_eq!(document.value(&key("parameters/a")), Some(&b"2"[..]));
        assert_eq!(document.settings().count(), 1);
    }

    #[test]
    fn only_one_line_of_text_is_a_plain_value() {
        for good in ["", "1", "a b", "a\tb", "\u{fc}", " a", "a "] {
            assert!(is_plain(good.as_bytes()), "{good:?}");
        }
        for bad in [&b"a\nb"[..], b"\0", b"\xff", b"a\x1b", &b"x".repeat(LONGEST_VALUE + 1)] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }

    #[test]
    fn blanks_at_the_ends_and_quotes_come_back() {
        for (value, text) in [
            (" a ", "\" a \""),
            (" ", "\" \""),
            ("\"a\"", "\"\"a\"\""),
            ("\"", "\""),
            ("a\"", "a\""),
            ("\"a", "\"a"),
            ("\"\"", "\"\"\"\""),
            ("", ""),
        ] {
            let mut document = Document::default();
            document.set(&key("parameters/a"), value.as_bytes());
            let written = document.format(&Header { release: b"6".to_vec(), time: 0 });
            let line = String::from_utf8(written.clone()).unwrap().lines().nth(1).unwrap().to_owned();
            assert_eq!(line, format!("parameters/a = {text}"));
            assert_eq!(Document::parse(&written).value(&key("parameters/a")), Some(value.as_bytes()));
        }
    }

    #[test]
    fn a_long_file_is_read_in_a_number_of_steps_that_its_length_bounds() {
        // Quadratic work over these would be ten thousand million comparisons.
        let text: String = (0..100_000).map(|number| format!("parameters/p{number}=1\n")).collect();
        assert_eq!(Document::parse(text.as_bytes()).settings().count(), 100_000);
    }

    #[test]
    fn leap_years_are_known() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_set_comes_back(value in "[ -~]{0,40}", text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(is_plain(value.as_bytes()));
            let header = Header { release: b"6".to_vec(), time: u64::MAX };
            let mut document = Document::parse(&text);
            document.set(&key("parameters/a"), value.as_bytes());
            let again = Document::parse(&document.format(&header));
            prop_assert_eq!(again.value(&key("parameters/a")), Some(value.as_bytes()));
        }
    }
}
