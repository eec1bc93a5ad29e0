//! Which kernel releases a line of depmod.d is meant for: `*`, or a POSIX extended regular expression that
//! matches anywhere in the release.
//!
//! The expression is rewritten for [`regex_lite`], whose syntax differs: it has lazy repetitions, other escapes
//! and other bracket expressions. An expression that POSIX calls invalid matches nothing, as do two that this
//! does not support: back references and collating symbols of several characters.

use std::fmt::Write;

use regex_lite::{Regex, RegexBuilder};

/// Longest expression that is looked at, in bytes. A release has at most 64.
const LONGEST: usize = 4096;

/// Whether `pattern`, the KVER word of a line, is meant for the kernel `release`.
pub(crate) fn matches(pattern: &[u8], release: &[u8]) -> bool {
    pattern == b"*"
        || compile(&String::from_utf8_lossy(pattern))
            .is_some_and(|regex| regex.is_match(&String::from_utf8_lossy(release)))
}

fn compile(pattern: &str) -> Option<Regex> {
    let translated = (pattern.len() <= LONGEST).then(|| Translation::of(pattern)).flatten()?;
    // `.` matches a newline in POSIX.
    RegexBuilder::new(&translated).dot_matches_new_line(true).build().ok()
}

/// The rewritten expression, and where the piece begins that a repetition would apply to.
struct Translation {
    text: String,
    piece: Option<usize>,
    groups: Vec<usize>,
}

impl Translation {
    fn of(pattern: &str) -> Option<String> {
        let mut translation = Self { text: String::new(), piece: None, groups: Vec::new() };
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            match character {
                '*' | '+' | '?' => translation.repeat(character.encode_utf8(&mut [0; 4]))?,
                '{' => {
                    let (bounds, after) = rest.as_str().split_once('}')?;
                    translation.repeat(&interval(bounds)?)?;
                    rest = after.chars();
                }
                '(' => translation.open(),
                ')' if !translation.groups.is_empty() => translation.close()?,
                '|' => translation.piece_less('|'),
                '^' => translation.piece_less('^'),
                '$' => translation.anchor_end(),
                '[' => {
                    let (class, after) = bracket(rest.as_str())?;
                    translation.push(&class);
                    rest = after.chars();
                }
                '.' => translation.push("."),
                '\\' => translation.escaped(rest.next()?)?,
                _ => translation.literal(character),
            }
        }
        translation.groups.is_empty().then_some(translation.text)
    }

    fn push(&mut self, piece: &str) {
        self.piece = Some(self.text.len());
        self.text.push_str(piece);
    }

    fn literal(&mut self, character: char) {
        self.push(&format!("\\x{{{:x}}}", u32::from(character)));
    }

    fn piece_less(&mut self, character: char) {
        self.piece = None;
        self.text.push(character);
    }

    fn anchor_end(&mut self) {
        self.piece_less('$');
    }

    /// A repetition of a repetition is one in POSIX; the group keeps `a+?` from becoming lazy.
    fn repeat(&mut self, operator: &str) -> Option<()> {
        let start = self.piece?;
        self.text.insert_str(start, "(?:");
        self.text.push(')');
        self.text.push_str(operator);
        Some(())
    }

    fn open(&mut self) {
        self.groups.push(self.text.len());
        self.piece = None;
        self.text.push_str("(?:");
    }

    fn close(&mut self) -> Option<()> {
        self.piece = Some(self.groups.pop()?);
        self.text.push(')');
        Some(())
    }

    fn escaped(&mut self, character: char) -> Option<()> {
        match character {
            'w' => self.push("[0-9A-Za-z_]"),
            'W' => self.push("[^0-9A-Za-z_]"),
            's' => self.push("[ \\t\\n\\v\\f\\r]"),
            'S' => self.push("[^ \\t\\n\\v\\f\\r]"),
            '1'..='9' => return None,
            'b' => self.assertion("\\b"),
            'B' => self.assertion("\\B"),
            '<' => self.assertion("\\b{start}"),
            '>' => self.assertion("\\b{end}"),
            '`' => self.assertion("\\A"),
            '\'' => self.assertion("\\z"),
            _ => self.literal(character),
        }
        Some(())
    }

    fn assertion(&mut self, text: &str) {
        self.piece = None;
        self.text.push_str(text);
    }
}

/// The bounds of `{...}`; a missing lower bound is 0.
fn interval(bounds: &str) -> Option<String> {
    let (low, high) = bounds.split_once(',').map_or((bounds, Some(bounds)), |(low, high)| {
        (if low.is_empty() { "0" } else { low }, (!high.is_empty()).then_some(high))
    });
    let low: u16 = low.parse().ok()?;
    let Some(high) = high else { return Some(format!("{{{low},}}")) };
    let high: u16 = high.parse().ok()?;
    (low <= high).then(|| format!("{{{low},{high}}}"))
}

/// A bracket expression, given what follows its `[`: the class, and what follows it.
fn bracket(text: &str) -> Option<(String, &str)> {
    let mut rest = text;
    let negated = rest.strip_prefix('^').inspect(|&after| rest = after).is_some();
    let mut class = String::from(if negated { "[^" } else { "[" });
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            class.push(']');
            return Some((class, after));
        }
        // A `-` stands for itself only at the beginning, at the end and as the lower end of a range.
        if !first && is_range(rest) && !rest.starts_with("--") {
            return None;
        }
        first = false;
        if let Some(named) = rest.strip_prefix("[:") {
            let (name, after) = named.split_once(":]")?;
            class.push_str(named_class(name)?);
            rest = after;
            if is_range(rest) {
                return None;
            }
            continue;
        }
        let (low, after) = member(rest)?;
        rest = after;
        let mut high = low;
        if is_range(rest) {
            (high, rest) = member(rest.strip_prefix('-')?)?;
        }
        if low > high {
            return None;
        }
        write!(class, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high)).ok()?;
    }
}

/// Whether a `-` comes that is not the last member.
fn is_range(rest: &str) -> bool {
    rest.starts_with('-') && !rest.starts_with("-]")
}

/// One member of a bracket expression that can begin or end a range: a character, `[.c.]` or `[=c=]`.
fn member(text: &str) -> Option<(char, &str)> {
    if text.starts_with("[:") {
        return None;
    }
    for (open, close) in [("[.", ".]"), ("[=", "=]")] {
        if let Some(inner) = text.strip_prefix(open) {
            let (name, after) = inner.split_once(close)?;
            let mut name = name.chars();
            return name.next().filter(|_| name.as_str().is_empty()).map(|character| (character, after));
        }
    }
    let mut rest = text.chars();
    rest.next().map(|character| (character, rest.as_str()))
}

fn named_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "blank" => " \\t",
        "cntrl" => "\\x00-\\x1f\\x7f",
        "digit" => "0-9",
        "graph" => "\\x21-\\x7e",
        "lower" => "a-z",
        "print" => "\\x20-\\x7e",
        "punct" => "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
        "space" => " \\t\\n\\v\\f\\r",
        "upper" => "A-Z",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_expression_matches_anywhere_in_the_release() {
        for (pattern, release, expected) in [
            ("*", "6.1.0", true),
            ("6\\.1", "6.1.0-56-amd64", true),
            ("^5", "6.1.0-56-amd64", false),
            ("^(5|6)\\..*-amd64$", "6.1.0-56-amd64", true),
            ("[[:digit:]]{2}-", "6.1.0-56-amd64", true),
            ("[", "[", false),
            ("a{", "a{", false),
            ("a)", "a)", true),
            ("^a+?$", "", true),
            ("[]a]x", "]x", true),
            ("[a\\]x", "\\x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), release.as_bytes()), expected, "{pattern} {release}");
        }
    }

    /// What the C library says: does the extended expression match?
    #[allow(unsafe_code)]
    fn c_library_matches(pattern: &str, text: &str) -> bool {
        let pattern = std::ffi::CString::new(pattern).unwrap_or_default();
        let text = std::ffi::CString::new(text).unwrap_or_default();
        // SAFETY: both strings end in NUL and live through the calls; the expression is freed only if compiled.
        unsafe {
            let mut regex = std::mem::zeroed::<libc::regex_t>();
            if libc::regcomp(&raw mut regex, pattern.as_ptr(), libc::REG_EXTENDED | libc::REG_NOSUB) != 0 {
                return false;
            }
            let found = libc::regexec(&raw const regex, text.as_ptr(), 0, std::ptr::null_mut(), 0) == 0;
            libc::regfree(&raw mut regex);
            found
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn matching_agrees_with_the_c_library(
            pattern in "(a|b|-|\\[wWsSbB<>`']|\\.|\\*|\\+|\\?|\\||\\(|\\)|\\[|\\]|\\^|\\$|\\{1\\}|\\{0,2\\}|\\{|\\\\|[1-9]|\\[:digit:\\]|\\[a-b\\]){1,8}",
            text in "[ab.1\\-\\]\\\\]{0,6}",
        ) {
            // Back references are documented as unsupported.
            let back_reference = pattern.as_bytes().windows(2).any(|pair| {
                matches!(pair, [b'\\', digit] if digit.is_ascii_digit())
            });
            prop_assume!(!back_reference && pattern != "*");
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), c_library_matches(&pattern, &text));
        }
    }
}
