//! Patterns of names in a line of modutils.d, and what can be wrong with a line.

use std::borrow::Cow;

use modfile::name::normalize_alias;

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineReason {
    /// The first word is not a directive.
    #[error("ignoring bad line starting with '{}'", String::from_utf8_lossy(.0))]
    UnknownWord(Vec<u8>),
    /// The directive needs more words.
    #[error("'{0}' needs {1}")]
    Missing(&'static str, &'static str),
    /// The directive takes no more words.
    #[error("'{0}' takes no more words")]
    TooMany(&'static str),
    /// The interval is not a number of seconds, or longer than a year.
    #[error("'{}' is no number of seconds", String::from_utf8_lossy(.0))]
    BadInterval(Vec<u8>),
    /// The time for commands is not a number of seconds, or too long.
    #[error("'{}' is no number of seconds from 1 to 3600", String::from_utf8_lossy(.0))]
    BadTime(Vec<u8>),
    /// A command could not be handed to the shell.
    #[error("a command cannot hold a NUL")]
    NulInCommand,
    /// A pattern has a bracket without its partner.
    #[error("unmatched bracket in '{}'", String::from_utf8_lossy(.0))]
    UnmatchedBracket(Vec<u8>),
    /// A sysctl is absolute, or has `..` in it.
    #[error("'{}' is no path below /proc/sys", String::from_utf8_lossy(.0))]
    BadPath(Vec<u8>),
    /// What follows the pattern of a `forbid` line is not set off.
    #[error("a reason for 'forbid' stands behind ' : '")]
    NoColon,
    /// Neither `parameters` nor `sysctl` follows the pattern.
    #[error("'{}' is neither 'parameters' nor 'sysctl'", String::from_utf8_lossy(.0))]
    UnknownKind(Vec<u8>),
}

/// The patterns that follow a directive, at least one; `need` says what they match.
pub(crate) fn patterns(
    word: &'static str,
    need: &'static str,
    rest: &[&[u8]],
) -> Result<Vec<Vec<u8>>, LineReason> {
    if rest.is_empty() {
        return Err(LineReason::Missing(word, need));
    }
    rest.iter().map(|pattern| normalized(pattern)).collect()
}

/// A pattern in the form in which names and aliases are compared.
pub(crate) fn normalized(pattern: &[u8]) -> Result<Vec<u8>, LineReason> {
    normalize_alias(pattern).map(Cow::into_owned).map_err(|_| LineReason::UnmatchedBracket(pattern.to_vec()))
}
