//! What the environment says, and what is put into it for commands of the configuration.
//!
//! Reads variables once at the start; nothing else in the tool does.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use modcli::common::{QUIET, SYSLOG, VERBOSE};
use modcli::getopt::Parsed;
use modfile::ModuleName;

use crate::cli;

/// Options that stand before those of the command line.
const OPTIONS: &str = "MODPROBE_OPTIONS";
/// The module for which a command runs.
const MODULE: &str = "MODPROBE_MODULE";
/// The modules whose install commands are running around this process, separated by spaces.
const RUNNING: &str = "MODUTILS_INSTALLING";
const PATH: &str = "PATH";
/// What a command gets where nobody has set a path.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that concern modprobe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `MODPROBE_OPTIONS`.
    pub options: Option<OsString>,
    /// Modules whose install commands called, directly or not, this process.
    pub running: BTreeSet<Vec<u8>>,
    /// Whether there is a path to search for commands.
    pub has_path: bool,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let running = env::var_os(RUNNING).unwrap_or_default();
        Self {
            options: env::var_os(OPTIONS),
            running: words(running.as_bytes()).map(<[u8]>::to_vec).collect(),
            has_path: env::var_os(PATH).is_some_and(|path| !path.is_empty()),
        }
    }

    /// The arguments of the process with those of `MODPROBE_OPTIONS` before them.
    #[must_use]
    pub fn extend(&self, argv: &[OsString]) -> Vec<OsString> {
        let (program, arguments) = argv.split_at(argv.len().min(1));
        let added = self.options.as_deref().map(split).unwrap_or_default();
        program.iter().cloned().chain(added).chain(arguments.iter().cloned()).collect()
    }
}

/// Splits at single spaces. Quotes, single or double, protect spaces and are dropped. Two spaces in a row
/// enclose an empty argument; one at the end does not make one.
fn split(text: &OsStr) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut argument = Vec::new();
    let mut quote = None;
    for &byte in text.as_bytes() {
        match (byte, quote) {
            (b' ', None) => arguments.push(std::mem::take(&mut argument)),
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (byte, _) => argument.push(byte),
        }
    }
    if !argument.is_empty() {
        arguments.push(argument);
    }
    arguments.into_iter().map(OsString::from_vec).collect()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

/// What commands of the configuration find in their environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandEnvironment {
    options: Option<OsString>,
    running: BTreeSet<Vec<u8>>,
    needs_path: bool,
}

impl CommandEnvironment {
    /// The environment for commands of a run with these options.
    // compat: of all options only these four are handed on, and those that came from the variable twice.
    #[must_use]
    pub fn new(environment: &Environment, parsed: &Parsed) -> Self {
        let mut options = environment.options.clone().unwrap_or_default();
        let mut was_set = environment.options.is_some();
        for event in &parsed.events {
            let letter = match event.id.as_str() {
                cli::CONFIG => "-C",
                QUIET => "-q",
                SYSLOG => "-s",
                VERBOSE => "-v",
                _ => continue,
            };
            if !options.is_empty() {
                options.push(" ");
            }
            options.push(letter);
            if let Some(value) = &event.value {
                options.push(" ");
                options.push(value);
            }
            was_set = true;
        }
        Self {
            options: was_set.then_some(options),
            running: environment.running.clone(),
            needs_path: !environment.has_path,
        }
    }

    /// Whether this process was called, directly or not, by the install command of that module.
    #[must_use]
    pub fn is_running(&self, module: &ModuleName) -> bool {
        self.running.contains(module.as_bytes())
    }

    /// The variables for a command that stands for a module.
    #[must_use]
    pub fn variables(&self, module: &ModuleName) -> Vec<(&'static str, OsString)> {
        let name = OsString::from_vec(module.as_bytes().to_vec());
        let mut running = self.running.clone();
        running.insert(module.as_bytes().to_vec());
        let running: Vec<&[u8]> = running.iter().map(Vec::as_slice).collect();
        let mut variables = vec![(MODULE, name), (RUNNING, OsString::from_vec(running.join(&b' ')))];
        if let Some(options) = &self.options {
            variables.push((OPTIONS, options.clone()));
        }
        if self.needs_path {
            variables.push((PATH, DEFAULT_PATH.into()));
        }
        variables
    }
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
            ("-C '/a b' x=\"1 '2\"", &["-C", "/a b", "x=1 '2"]),
            ("a\\ b", &["a\\", "b"]),
            ("'open", &["open"]),
        ] {
            let expected: Vec<OsString> = expected.iter().map(OsString::from).collect();
            assert_eq!(split(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn options_of_the_variable_stand_before_those_of_the_command_line() {
        let environment = Environment { options: Some("-q".into()), ..Environment::default() };
        let argv: Vec<OsString> = vec!["modprobe".into(), "-v".into()];
        assert_eq!(environment.extend(&argv), ["modprobe", "-q", "-v"]);
        assert_eq!(Environment::default().extend(&argv), argv);
        assert_eq!(Environment::default().extend(&[]), [""; 0]);
    }

    #[test]
    fn a_command_knows_its_module_and_all_around_it() {
        let environment =
            Environment { running: [b"outer".to_vec()].into(), has_path: true, ..Environment::default() };
        let commands = CommandEnvironment::new(&environment, &Parsed::default());
        assert!(commands.is_running(&"outer".into()));
        assert!(!commands.is_running(&"inner".into()));
        let variables = commands.variables(&"inner".into());
        assert_eq!(variables, [(MODULE, "inner".into()), (RUNNING, "inner outer".into())]);
    }
}
