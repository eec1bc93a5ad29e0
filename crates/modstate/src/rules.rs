//! What modutils.d says about what may be loaded, and on whose request.
//!
//! ```text
//! forbid MODULE-PATTERN [: REASON]   never loaded, by whatever name, alias, dependency, softdep or path
//! deny-request ALIAS-PATTERN...      not loaded because the kernel asks for such a name
//! allow-request ALIAS-PATTERN...     exceptions to deny-request
//! ```
//!
//! A mistake in one of these lines allows what was meant to be forbidden, or vice versa: whoever reads the files reports
//! it more loudly than others.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use modfile::ModuleName;
use modfile::wildcard;

use crate::pattern::{LineReason, normalized, patterns};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub number: usize,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} line {}", self.file.display(), self.number)
    }
}

/// A `forbid` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// Pattern of module names, `-` turned into `_`.
    modules: Vec<u8>,
    /// Why, in the administrator's words.
    pub reason: Option<Vec<u8>>,
    /// Where it stands.
    pub line: Line,
}

/// What may be loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    forbidden: Vec<Forbidden>,
    denied: Vec<Request>,
    allowed: Vec<Request>,
}

/// A pattern of a `deny-request` or `allow-request` line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    names: Vec<u8>,
    line: Line,
}

impl Rules {
    /// Nothing is forbidden and no request is denied.
    pub const NONE: &'static Self = &Self { forbidden: Vec::new(), denied: Vec::new(), allowed: Vec::new() };

    /// The first line that forbids a module.
    #[must_use]
    pub fn forbidden(&self, module: &ModuleName) -> Option<&Forbidden> {
        self.forbidden.iter().find(|line| wildcard::matches(&line.modules, module.as_bytes()))
    }

    /// Whether there is any `forbid` line.
    #[must_use]
    pub fn forbid_anything(&self) -> bool {
        !self.forbidden.is_empty()
    }

    /// The first line that denies the kernel a name, given in the form in which aliases are compared.
    #[must_use]
    pub fn denied(&self, normalized_name: &[u8]) -> Option<&Line> {
        let denied = self.denied.iter().find(|denied| wildcard::matches(&denied.names, normalized_name))?;
        let is_allowed =
            self.allowed.iter().any(|allowed| wildcard::matches(&allowed.names, normalized_name));
        (!is_allowed).then_some(&denied.line)
    }

    /// The patterns of all `forbid` lines, in order.
    pub fn forbidden_modules(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.forbidden.iter().map(|forbidden| (forbidden.modules.as_slice(), &forbidden.line))
    }

    /// The patterns of all `deny-request` lines, in order.
    pub fn denied_requests(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.denied.iter().map(|denied| (denied.names.as_slice(), &denied.line))
    }

    /// The patterns of all `allow-request` lines, in order.
    pub fn allowed_requests(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.allowed.iter().map(|allowed| (allowed.names.as_slice(), &allowed.line))
    }

    /// Adds a `forbid` line: its words, and the text behind the first word.
    pub(crate) fn forbid(&mut self, text: &[u8], line: Line) -> Result<(), LineReason> {
        let text = text.trim_ascii();
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (pattern, rest) = text.split_at_checked(end).unwrap_or((text, b""));
        if pattern.is_empty() || pattern == b":" {
            return Err(LineReason::Missing("forbid", "a pattern of module names"));
        }
        let reason = match rest.trim_ascii().split_first() {
            None => None,
            Some((b':', reason)) => Some(reason.trim_ascii().to_vec()).filter(|reason| !reason.is_empty()),
            Some(_) => return Err(LineReason::NoColon),
        };
        self.forbidden.push(Forbidden { modules: normalized(pattern)?, reason, line });
        Ok(())
    }

    /// Adds a `deny-request` line.
    pub(crate) fn deny(&mut self, words: &[&[u8]], line: &Line) -> Result<(), LineReason> {
        let names = patterns("deny-request", "a pattern of requested names", words)?;
        self.denied.extend(names.into_iter().map(|names| Request { names, line: line.clone() }));
        Ok(())
    }

    /// Adds an `allow-request` line.
    pub(crate) fn allow(&mut self, words: &[&[u8]], line: &Line) -> Result<(), LineReason> {
        let names = patterns("allow-request", "a pattern of requested names", words)?;
        self.allowed.extend(names.into_iter().map(|names| Request { names, line: line.clone() }));
        Ok(())
    }
}
