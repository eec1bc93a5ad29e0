//! The options that modprobe takes from its environment, and those that a modprobe within a command gets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use modcli::common::{QUIET, SYSLOG, VERBOSE};
use modcli::getopt::Parsed;

use crate::cli;

/// The arguments of the process with those of `MODPROBE_OPTIONS` before them.
pub(crate) fn extend(argv: &[OsString], options: Option<&OsStr>) -> Vec<OsString> {
    let (program, arguments) = argv.split_at(argv.len().min(1));
    let added = options.map(split).unwrap_or_default();
    program.iter().cloned().chain(added).chain(arguments.iter().cloned()).collect()
}

/// Splits at single spaces. Quotes, single or double, protect spaces and are dropped.
// compat: where a quote begins an argument the closing one ends it, so that a space behind it ends another,
// empty one; nothing at the end is not an argument; a quote that is never closed means itself (cases
// modprobe/variable-quotes, modprobe/variable-trailing-space, modprobe/variable-quote-open).
fn split(text: &OsStr) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut argument = Vec::new();
    let mut open: Option<(u8, usize)> = None;
    for &byte in text.as_bytes() {
        match (byte, open) {
            (b' ', None) => arguments.push(std::mem::take(&mut argument)),
            (b'"' | b'\'', None) => open = Some((byte, argument.len())),
            (byte, Some((quote, at))) if byte == quote => {
                if at == 0 {
                    arguments.push(std::mem::take(&mut argument));
                }
                open = None;
            }
            (byte, _) => argument.push(byte),
        }
    }
    if let Some((quote, at)) = open {
        argument.insert(at, quote);
    }
    if !argument.is_empty() {
        arguments.push(argument);
    }
    arguments.into_iter().map(OsString::from_vec).collect()
}

/// The options that are handed on to a modprobe within a command.
// compat: of kmod's options only these four are (case modprobe/variable-handed-on-all).
pub(crate) fn handed_on(parsed: &Parsed) -> Vec<(&'static str, Option<OsString>)> {
    let handed_on = parsed.events.iter().filter_map(|event| {
        let letter = match event.id.as_str() {
            cli::CONFIG => "-C",
            QUIET => "-q",
            SYSLOG => "-s",
            VERBOSE => "-v",
            cli::NO_PERSIST => "--no-persist",
            _ => return None,
        };
        Some((letter, event.value.clone()))
    });
    handed_on.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_split_at_spaces_outside_of_quotes() {
        for (text, expected) in [
            ("", &[][..]),
            ("-v", &["-v"]),
            ("-v  -q ", &["-v", "", "-q"]),
            ("-a 'top'", &["-a", "top"]),
            ("-a 'top' x", &["-a", "top", "", "x"]),
            ("-a x'top'", &["-a", "xtop"]),
            ("'a b'c \"d\"e", &["a b", "c", "d", "e"]),
            ("x='a b'y z=''\"c d\" w", &["x=a by", "z=c d", "w"]),
            ("-a ''", &["-a", ""]),
            ("-a 'open x", &["-a", "'open x"]),
            ("x=\"1 '2\"", &["x=1 '2"]),
            ("a\\ b", &["a\\", "b"]),
        ] {
            let expected: Vec<OsString> = expected.iter().map(OsString::from).collect();
            assert_eq!(split(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn options_of_the_variable_stand_before_those_of_the_command_line() {
        let argv: Vec<OsString> = vec!["modprobe".into(), "-v".into()];
        assert_eq!(extend(&argv, Some(OsStr::new("-q"))), ["modprobe", "-q", "-v"]);
        assert_eq!(extend(&argv, None), argv);
        assert_eq!(extend(&[], None), [""; 0]);
    }
}
