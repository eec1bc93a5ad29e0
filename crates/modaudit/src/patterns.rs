//! How two patterns of names lie to each other, as far as that is easily seen.

use modfile::wildcard::{is_literal, is_wild, matches};

/// Whether a pattern covers all that another one covers.
pub(crate) fn covers(wider: &[u8], pattern: &[u8]) -> bool {
    wider == pattern || is_literal(pattern) && matches(wider, pattern) || is_prefix_of(wider, pattern)
}

/// Whether one pattern is a text followed by `*` that the other one begins with, too.
fn is_prefix_of(wider: &[u8], pattern: &[u8]) -> bool {
    let prefix = wider.strip_suffix(b"*").filter(|prefix| is_literal(prefix));
    prefix.is_some_and(|prefix| plain_beginning(pattern).starts_with(prefix))
}

/// A pattern up to its first special character.
fn plain_beginning(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|&byte| is_wild(byte) || byte == b'\\').unwrap_or(pattern.len());
    pattern.get(..end).unwrap_or_default()
}

/// Whether two patterns may have a name in common.
pub(crate) fn may_meet(one: &[u8], other: &[u8]) -> bool {
    match (is_literal(one), is_literal(other)) {
        (true, true) => one == other,
        (true, false) => matches(other, one),
        (false, true) => matches(one, other),
        (false, false) => {
            let (one, other) = (plain_beginning(one), plain_beginning(other));
            one.starts_with(other) || other.starts_with(one)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_matches_and_what_begins_like_it() {
        for (wider, pattern, expected) in [
            ("fs_ext4", "fs_ext4", true),
            ("fs_*", "fs_ext4", true),
            ("fs_*", "fs_e*", true),
            ("*", "net_pf_[0-9]*", true),
            ("fs_e*", "fs_*", false),
            ("fs_?", "fs_*", false),
            ("net_pf_1", "net_pf_10", false),
        ] {
            assert_eq!(covers(wider.as_bytes(), pattern.as_bytes()), expected, "{wider} {pattern}");
        }
    }

    #[test]
    fn patterns_may_meet_unless_they_begin_differently() {
        for (one, other, expected) in [
            ("fs_*", "fs_ext4", true),
            ("fs_e*", "fs_*", true),
            ("fs_e*", "fs_x*", false),
            ("net_pf_1", "net_pf_10", false),
            ("net_pf_[0-9]", "net_pf_1", true),
        ] {
            assert_eq!(may_meet(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
            assert_eq!(may_meet(other.as_bytes(), one.as_bytes()), expected, "{other} {one}");
        }
    }
}
