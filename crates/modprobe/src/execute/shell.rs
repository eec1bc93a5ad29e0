//! Install and remove commands of the configuration.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use modfile::ModuleName;

use super::Execution;

/// Stands in a command for the module's parameters.
const MARKER: &[u8] = b"$CMDLINE_OPTS";

/// How a command ended.
pub(super) enum Ended {
    Well,
    /// With this status, other than 0.
    Badly(i32),
    /// Not at all: there was no shell.
    NotStarted(io::Error),
}

impl Execution<'_> {
    /// Runs a line of shell that stands for loading or unloading a module.
    pub(super) fn shell(&mut self, line: &[u8], module: &ModuleName) -> Ended {
        // What was printed so far stands before what the command prints.
        self.output.flush();
        let variables = self.commands.variables(module);
        let variables: Vec<(&str, &OsStr)> =
            variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        match self.kernel.run_shell(OsStr::from_bytes(line), &variables) {
            Err(error) => Ended::NotStarted(error),
            // compat: a command that was killed counts as one that succeeded.
            Ok(status) => match status.code() {
                None | Some(0) => Ended::Well,
                Some(code) => Ended::Badly(code),
            },
        }
    }
}

/// A command with the parameters in the place of each marker. What is put in is not looked at again.
pub(super) fn substitute(line: &[u8], params: &[u8]) -> Vec<u8> {
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
