//! Shell patterns over bytes, as the C library's `fnmatch` without flags takes them in the C locale: `*`, `?`,
//! `[...]` with ranges, classes and negation by `!` or `^`, backslash escapes. `/` and a leading `.` are
//! characters like any other.
//!
//! Matching goes back to the last `*` only, and the work is counted: no pattern makes it hang.

/// How much work matching may still do, counted in bytes of patterns looked at.
#[derive(Clone, Debug)]
pub struct Budget(u64);

impl Budget {
    /// Enough for a pattern and a text of 4,000 bytes each in the worst case; a fraction of a second.
    pub const DEFAULT: Self = Self(1 << 24);

    fn spend(&mut self, steps: usize) -> bool {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        match self.0.checked_sub(steps) {
            Some(left) => self.0 = left,
            None => self.0 = 0,
        }
        self.0 > 0
    }

    /// Whether nothing is left: what was said since then need not be true.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether the whole of `text` matches `pattern`. A pattern so absurd that this takes more than
/// [`Budget::DEFAULT`] matches nothing.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_within(pattern, text, &mut Budget::default())
}

/// [`matches()`] with a budget that several matches share.
pub fn matches_within(pattern: &[u8], text: &[u8], budget: &mut Budget) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // After a star: the pattern that follows it, and the text not yet tried.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if !budget.spend(1) {
            return false;
        }
        if let Some(after) = pattern.strip_prefix(b"*") {
            pattern = after;
            star = Some((pattern, text));
            continue;
        }
        if let Some((&byte, rest)) = text.split_first() {
            if let Some(after) = match_one(pattern, byte, budget) {
                (pattern, text) = (after, rest);
                continue;
            }
        } else if pattern.is_empty() {
            return true;
        }
        match star {
            Some((after, [_, untried @ ..])) => {
                (pattern, text) = (after, untried);
                star = Some((after, untried));
            }
            _ => return false,
        }
    }
}

/// Whether the byte may stand for others in a pattern: `*`, `?` or `[`.
#[must_use]
pub fn is_wild(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[')
}

/// Whether the pattern can only match itself, byte by byte. A backslash is not part of what it matches.
#[must_use]
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|&byte| is_wild(byte) || byte == b'\\')
}

/// Matches one byte with the first element of a pattern, which is not a star: what follows the element.
fn match_one<'a>(pattern: &'a [u8], byte: u8, budget: &mut Budget) -> Option<&'a [u8]> {
    let (&first, after) = pattern.split_first()?;
    let (literal, after) = match first {
        b'?' => return Some(after),
        b'[' => {
            let found = bracket(after, byte);
            let unread = if let Bracket::Ends { after, .. } = &found { after.len() } else { 0 };
            budget.spend(after.len() - unread);
            match found {
                Bracket::Ends { matched, after } => return matched.then_some(after),
                Bracket::Invalid => return None,
                Bracket::Unclosed => (first, after),
            }
        }
        b'\\' => after.split_first().map(|(&escaped, after)| (escaped, after))?,
        _ => (first, after),
    };
    (literal == byte).then_some(after)
}

enum Bracket<'a> {
    /// The expression ends and says whether the byte is meant.
    Ends { matched: bool, after: &'a [u8] },
    /// The expression matches nothing.
    Invalid,
    /// There is no closing bracket: the opening one stands for itself.
    Unclosed,
}

/// Reads a bracket expression, given what follows its `[`.
fn bracket(text: &[u8], byte: u8) -> Bracket<'_> {
    let (negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut found = false;
    let mut first = true;
    loop {
        match rest {
            [] => return Bracket::Unclosed,
            [b']', after @ ..] if !first => return Bracket::Ends { matched: found != negated, after },
            _ => {}
        }
        first = false;
        if let Some((name, after)) = class_name(rest) {
            match in_class(name, byte) {
                Some(is_in) => found |= is_in,
                None if !found => return Bracket::Invalid,
                None => {}
            }
            rest = after;
            continue;
        }
        if rest.starts_with(b"[.") && !matches!(rest, [_, _, _, b'.', b']', ..]) {
            return Bracket::Invalid;
        }
        let Some((low, after)) = member(rest) else { return Bracket::Invalid };
        rest = after;
        let mut high = low;
        if let [b'-', next, ..] = rest
            && *next != b']'
        {
            let Some((end, after)) = rest.split_first().and_then(|(_, rest)| member(rest)) else {
                return Bracket::Invalid;
            };
            (high, rest) = (end, after);
        }
        found |= (low..=high).contains(&byte);
    }
}

/// `[:name:]` at the beginning of the text: the name, and what follows.
fn class_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"[:")?;
    let len = inner.iter().position(|byte| !byte.is_ascii_lowercase())?;
    let (name, rest) = inner.split_at(len);
    Some((name, rest.strip_prefix(b":]")?))
}

/// A byte that can begin or end a range: itself, escaped, `[.c.]` or `[=c=]`.
fn member(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', byte, after @ ..]
        | [b'[', b'.', byte, b'.', b']', after @ ..]
        | [b'[', b'=', byte, b'=', b']', after @ ..] => Some((*byte, after)),
        [b'\\'] => None,
        _ => text.split_first().map(|(&byte, after)| (byte, after)),
    }
}

/// Whether the byte is in the class of that name, or `None` if there is no such class.
fn in_class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_mean_what_the_shell_means() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*c?e", "abcccde", true),
            ("*/.x", "a/.x", true),
            ("[a-c]z", "bz", true),
            ("[!a-c]z", "bz", false),
            ("[^a]", "b", true),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("[[:digit:]x]", "7", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", false),
            ("net-pf-*-proto-*", "net-pf-16-proto-9", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_absurd_pattern_ends_without_a_match() {
        let text = vec![b'['; 30_000];
        for piece in ["*a", "[", "*[", "[\\]", "*[a-b", "?*", "[[:x:]"] {
            let mut pattern = piece.repeat(20_000).into_bytes();
            pattern.push(b'b');
            assert!(!matches(&pattern, &text), "{piece}");
        }
        let mut budget = Budget::DEFAULT;
        assert!(!matches_within("*[a".repeat(20_000).as_bytes(), &text, &mut budget));
        assert!(budget.is_spent());
    }

    /// What the C library says.
    #[allow(unsafe_code)]
    fn c_library_matches(pattern: &[u8], text: &[u8]) -> bool {
        let [pattern, text] = [pattern, text].map(|bytes| CString::new(bytes).unwrap_or_default());
        // SAFETY: both strings end in NUL and live through the call.
        unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), 0) == 0 }
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_only(text in "[ -~]{0,12}", other in "[ -~]{0,12}") {
            if is_literal(text.as_bytes()) {
                prop_assert_eq!(matches(text.as_bytes(), other.as_bytes()), text == other);
                prop_assert!(matches(text.as_bytes(), text.as_bytes()));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn matching_agrees_with_the_c_library(
            // Left out: class, collating and equivalence expressions that do not end, and ranges to them, which
            // mean nothing.
            pattern in "(\\*|\\?|a|b|c|-|/|\\[|\\[|\\]|!|\\^|\\\\|\\[:alpha:\\]|\\[=a=\\]|\\[\\.b\\.\\]|\\[a-c\\]|\\[:x:\\]){0,9}",
            text in "[abc\\-./\\[\\]!^\\\\:=A]{0,6}",
        ) {
            let mut pattern = pattern;
            while pattern.contains("-[") || pattern.contains("]-") {
                pattern = pattern.replace("-[", "-").replace("]-", "]");
            }
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                c_library_matches(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
