//! Install and remove commands of the configuration: lines of shell that stand for loading or unloading a module.

use std::io;

use modfile::ModuleName;

/// The marker for the module's parameters in a command.
const MARKER: &[u8] = b"$CMDLINE_OPTS";

/// What a command stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Loading.
    Install,
    /// Unloading.
    Remove,
}

/// A command that is ready to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What it stands for.
    pub verb: Verb,
    /// The module for which it stands.
    pub module: &'a ModuleName,
    /// The shell's line, with parameters in the place of each marker.
    pub line: Vec<u8>,
}

/// How a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It ended with this status, other than 0.
    #[error("it ended with status {0}")]
    Status(i32),
    /// There was no shell.
    #[error("it could not be started: {0}")]
    NotStarted(#[from] io::Error),
}

impl<'a> Command<'a> {
    /// The install command of a module, from its line as configured and the module's parameters.
    #[must_use]
    pub fn install(module: &'a ModuleName, line: &[u8], params: &[u8]) -> Self {
        Self { verb: Verb::Install, module, line: substitute(line, params) }
    }

    /// The remove command of a module, from its line as configured.
    // compat: the marker stands for nothing when a module goes (case modprobe/remove-command-marker).
    #[must_use]
    pub fn remove(module: &'a ModuleName, line: &[u8]) -> Self {
        Self { verb: Verb::Remove, module, line: substitute(line, b"") }
    }
}

/// A command with the parameters in the place of each marker. Markers within parameters are not replaced.
fn substitute(line: &[u8], params: &[u8]) -> Vec<u8> {
    let mut substituted = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(MARKER) {
            substituted.extend_from_slice(params);
            rest = after;
        } else {
            substituted.push(first);
            rest = after;
        }
    }
    substituted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_replaced_once_and_as_text() {
        for (line, expected) in [
            ("a $CMDLINE_OPTS b", "a x=$CMDLINE_OPTS b"),
            ("$CMDLINE_OPTS$CMDLINE_OPTS", "x=$CMDLINE_OPTSx=$CMDLINE_OPTS"),
            ("${CMDLINE_OPTS} $CMDLINE_OPT", "${CMDLINE_OPTS} $CMDLINE_OPT"),
            ("$$CMDLINE_OPTS_X", "$x=$CMDLINE_OPTS_X"),
            ("", ""),
        ] {
            let substituted = substitute(line.as_bytes(), b"x=$CMDLINE_OPTS");
            assert_eq!(String::from_utf8(substituted).unwrap(), expected, "{line}");
        }
    }
}
