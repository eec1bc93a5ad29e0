//! Shell patterns for names: `*`, `?`, `[...]` with ranges and negation by `!` or `^`, a backslash before a
//! character that means itself.
//!
//! Matching goes back to the last `*` only, so its time is bounded by the product of the two lengths.

/// Whether the whole of `text` matches `pattern`. A `[` that is never closed means itself.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(after) = pattern.strip_prefix(b"*") {
            pattern = after;
            star = Some((after, text));
            continue;
        }
        let Some((&byte, rest)) = text.split_first() else { return pattern.is_empty() };
        if let Some(after) = match_one(pattern, byte) {
            (pattern, text) = (after, rest);
            continue;
        }
        // The last star takes one byte more.
        let Some((after, tried)) = star else { return false };
        let Some((_, later)) = tried.split_first() else { return false };
        star = Some((after, later));
        (pattern, text) = (after, later);
    }
}

/// Whether a pattern has any character that may stand for others.
#[must_use]
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// What follows the first element of the pattern, if that element stands for `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (&first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some(rest),
        b'[' => match set(rest, byte) {
            Some((true, after)) => Some(after),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(rest),
        },
        b'\\' => match rest.split_first() {
            Some((&escaped, after)) => (escaped == byte).then_some(after),
            None => (byte == b'\\').then_some(rest),
        },
        literal => (literal == byte).then_some(rest),
    }
}

/// Whether `byte` is in the set, and what follows its `]`.
fn set(inside: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let negated = matches!(inside.first(), Some(b'!' | b'^'));
    let mut rest = if negated { inside.get(1..)? } else { inside };
    let mut found = false;
    let mut first = true;
    loop {
        let (&low, after) = rest.split_first()?;
        if low == b']' && !first {
            return Some((found != negated, after));
        }
        first = false;
        match after {
            [b'-', high, after @ ..] if *high != b']' => {
                found |= (low..=*high).contains(&byte);
                rest = after;
            }
            _ => {
                found |= low == byte;
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("nf_*", "nf_conntrack", true),
            ("nf_*", "xnf_a", false),
            ("*_nf", "a_nf_b_nf", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("a[", "a[", true),
            ("a[b", "a[b", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_hang() {
        let pattern = [b"*a".repeat(500), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(5000)));
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_only(text in "[a-z_]{0,12}", other in "[a-z_]{0,12}") {
            prop_assert!(is_literal(text.as_bytes()));
            prop_assert_eq!(matches(text.as_bytes(), other.as_bytes()), text == other);
        }

        #[test]
        fn no_bytes_make_it_panic(pattern in prop::collection::vec(any::<u8>(), 0..30), text in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = matches(&pattern, &text);
        }
    }
}
