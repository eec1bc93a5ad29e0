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
use crate::paths;
use crate::remember::Origin;

/// Options that stand before those of the command line.
const OPTIONS: &str = "MODPROBE_OPTIONS";
/// The module for which a command runs.
const MODULE: &str = "MODPROBE_MODULE";
/// The modules whose install commands are running around this process, separated by spaces.
const RUNNING: &str = "MODUTILS_INSTALLING";
/// The name that the kernel asked for, for commands that run on its behalf.
const REQUEST: &str = "MODUTILS_REQUEST";
const PATH: &str = "PATH";

/// The variables that concern modprobe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `MODPROBE_OPTIONS`.
    pub options: Option<OsString>,
    /// Modules whose install commands called, directly or not, this process.
    pub running: BTreeSet<Vec<u8>>,
    /// The name that the kernel asked for, if this process runs on its behalf in a command of the configuration.
    pub request: Option<OsString>,
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
            request: env::var_os(REQUEST).filter(|_| !running.is_empty()),
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

/// Splits at single spaces. Quotes, single or double, protect spaces and are dropped.
// compat: where a quote begins an argument the closing one ends it, so that a space behind it ends an empty one
// more; nothing at the end is no argument; a quote that is never closed means itself.
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

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

/// What commands of the configuration find in their environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandEnvironment {
    options: Option<OsString>,
    running: BTreeSet<Vec<u8>>,
    request: Option<OsString>,
    needs_path: bool,
}

impl CommandEnvironment {
    /// The environment for commands of a run with these options.
    // compat: of kmod's options only these four are handed on, and those that came from the variable twice.
    #[must_use]
    pub fn new(environment: &Environment, parsed: &Parsed, origin: &Origin) -> Self {
        let mut options = environment.options.clone().unwrap_or_default();
        let mut was_set = environment.options.is_some();
        for event in &parsed.events {
            let letter = match event.id.as_str() {
                cli::CONFIG => "-C",
                QUIET => "-q",
                SYSLOG => "-s",
                VERBOSE => "-v",
                cli::NO_PERSIST => "--no-persist",
                _ => continue,
            };
            if was_set {
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
            request: match origin {
                Origin::OnDemand(request) => Some(request.clone()),
                Origin::Wanted => None,
            },
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
        if let Some(request) = &self.request {
            variables.push((REQUEST, request.clone()));
        }
        if self.needs_path {
            variables.push((PATH, paths::COMMANDS.into()));
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
        let commands = CommandEnvironment::new(&environment, &Parsed::default(), &Origin::Wanted);
        assert!(commands.is_running(&"outer".into()));
        assert!(!commands.is_running(&"inner".into()));
        let variables = commands.variables(&"inner".into());
        assert_eq!(variables, [(MODULE, "inner".into()), (RUNNING, "inner outer".into())]);
    }

    #[test]
    fn a_command_on_behalf_of_the_kernel_knows_the_request() {
        let origin = Origin::OnDemand("net-pf-1".into());
        let commands = CommandEnvironment::new(&Environment::default(), &Parsed::default(), &origin);
        let variables = commands.variables(&"unix".into());
        assert!(variables.contains(&(REQUEST, "net-pf-1".into())), "{variables:?}");
        assert!(variables.contains(&(PATH, paths::COMMANDS.into())), "{variables:?}");
    }
}
