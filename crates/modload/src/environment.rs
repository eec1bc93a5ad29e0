//! The variables that concern loading and unloading: what a tool found in its environment, and what commands of the
//! configuration find in theirs. Both are data; nothing here reads the environment of the process.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use modfile::ModuleName;
use modstate::BootTime;

use crate::demand::Demand;
use crate::lineage::is_ancestor;
use crate::paths;

/// Options of modprobe that stand before those of its command line.
pub const OPTIONS: &str = "MODPROBE_OPTIONS";
/// The module for which a command runs.
pub const MODULE: &str = "MODPROBE_MODULE";
/// The modules whose commands are running around this process, separated by spaces.
pub const RUNNING: &str = "MODUTILS_INSTALLING";
/// The name that the kernel asked for, for commands that run on its behalf.
pub const REQUEST: &str = "MODUTILS_REQUEST";
/// The process that runs the commands around this one. What the other two say is over when it has ended: a daemon
/// that a command started inherits them, and is nobody's command any more.
pub const CALLER: &str = "MODUTILS_CALLER";
/// The directive of modutils.d whose command runs.
pub const ACTION: &str = "MODUTILS_ACTION";
/// When the time of the commands around this process is up, in milliseconds since the boot.
pub const UNTIL: &str = "MODUTILS_UNTIL";
/// Where a shell looks for programs.
pub const PATH: &str = "PATH";
/// Where programs look for what is a user's own.
const HOME: &str = "HOME";

/// A process by its number, which is asked for when it is needed: a system call that most runs do without.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub fn() -> u32);

impl Process {
    fn number(self) -> u32 {
        (self.0)()
    }
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

impl Eq for Process {}

impl Default for Process {
    fn default() -> Self {
        Self(|| 0)
    }
}

/// The variables that concern loading and unloading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `MODPROBE_OPTIONS`.
    pub options: Option<OsString>,
    /// Modules whose commands called, directly or not, this process; the outermost first.
    pub running: Vec<Vec<u8>>,
    /// The name that the kernel asked for, if this process runs on its behalf in a command of the configuration.
    pub request: Option<OsString>,
    /// When the time of a command of modutils.d is up in which this process runs.
    pub until: Option<BootTime>,
    /// Whether there is a path to search for commands.
    pub has_path: bool,
    /// This process.
    pub process: Process,
}

impl Environment {
    /// The environment of a process, in which variables have these values. `proc` is where the
    /// kernel shows processes.
    #[must_use]
    pub fn new(variable: impl Fn(&'static str) -> Option<OsString>, proc: &Path, process: Process) -> Self {
        let caller = || variable(CALLER)?.to_str()?.parse().ok();
        // If `/proc` shows nothing, the variables are trusted: they end loops of commands.
        let is_over =
            || caller().and_then(|caller| is_ancestor(proc, caller, process.number())) == Some(false);
        let (running, action) = (variable(RUNNING).unwrap_or_default(), variable(ACTION));
        let is_within = (!running.is_empty() || action.is_some()) && !is_over();
        let running = Some(running).filter(|_| is_within).unwrap_or_default();
        let until = || Some(BootTime(variable(UNTIL)?.to_str()?.parse().ok()?));
        Self {
            options: variable(OPTIONS),
            running: words(running.as_bytes()).map(<[u8]>::to_vec).collect(),
            request: if is_within { variable(REQUEST) } else { None },
            until: if is_within { until() } else { None },
            has_path: variable(PATH).is_some_and(|path| !path.is_empty()),
            process,
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

/// What commands of the configuration find in their environment, beside what is there anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandEnvironment {
    options: Option<OsString>,
    running: Vec<Vec<u8>>,
    request: Option<OsString>,
    until: Option<BootTime>,
    needs_path: bool,
    process: Process,
}

impl CommandEnvironment {
    /// The environment for commands of a run in this environment. `options` are those of the run that a modprobe
    /// within a command is to have as well, each with its value; they are put behind those of the variable.
    // compat: those that came from the variable are handed on twice (case modprobe/variable-handed-on-twice).
    #[must_use]
    pub fn new<'a>(
        environment: &Environment,
        options: impl IntoIterator<Item = (&'a str, Option<&'a OsStr>)>,
        demand: &Demand,
    ) -> Self {
        let mut text = environment.options.clone();
        for (option, value) in options {
            let text = match &mut text {
                Some(text) => {
                    text.push(" ");
                    text
                }
                None => text.insert(OsString::new()),
            };
            text.push(option);
            if let Some(value) = value {
                text.push(" ");
                text.push(value);
            }
        }
        Self {
            options: text,
            running: environment.running.clone(),
            request: match demand {
                Demand::Kernel(request) => Some(request.clone()),
                Demand::Person => None,
            },
            until: environment.until,
            needs_path: !environment.has_path,
            process: environment.process,
        }
    }

    /// Whether this process was called, directly or not, by the command of that module.
    #[must_use]
    pub fn is_running(&self, module: &ModuleName) -> bool {
        self.running.iter().any(|name| name == module.as_bytes())
    }

    /// This process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.number()
    }

    /// When the time of commands around this process is up.
    #[must_use]
    pub fn until(&self) -> Option<BootTime> {
        self.until
    }

    /// All variables for a command of modutils.d: nothing of what the caller had in its environment.
    #[must_use]
    pub fn of_script(
        &self,
        action: &'static str,
        module: Option<&ModuleName>,
        until: BootTime,
    ) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            (PATH, paths::COMMANDS.into()),
            (HOME, paths::HOME.into()),
            (ACTION, action.into()),
            (CALLER, self.process.number().to_string().into()),
            (UNTIL, until.0.to_string().into()),
        ];
        if let Some(module) = module {
            variables.push((MODULE, OsString::from_vec(module.as_bytes().to_vec())));
        }
        if let Some(request) = &self.request {
            variables.push((REQUEST, request.clone()));
        }
        if !self.running.is_empty() {
            variables.push((RUNNING, OsString::from_vec(self.running.join(&b' '))));
        }
        variables
    }

    /// The variables for a command that stands for a module.
    #[must_use]
    pub fn variables(&self, module: &ModuleName) -> Vec<(&'static str, OsString)> {
        let name = OsString::from_vec(module.as_bytes().to_vec());
        let mut running = self.running.clone();
        if !self.is_running(module) {
            running.push(module.as_bytes().to_vec());
        }
        let mut variables = vec![
            (MODULE, name),
            (RUNNING, OsString::from_vec(running.join(&b' '))),
            (CALLER, self.process.number().to_string().into()),
        ];
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
    fn a_request_counts_only_within_a_command() {
        let environment = |variables: &[(&str, &str)]| {
            let variable = |name| {
                let found = variables.iter().find(|(other, _)| *other == name);
                found.map(|(_, value): &(&str, &str)| value.into())
            };
            Environment::new(variable, Path::new("/nonexistent"), Process::default())
        };
        let within = environment(&[(RUNNING, " a  b"), (REQUEST, "net-pf-1"), (PATH, "/bin")]);
        assert_eq!(within.running, [b"a", b"b"]);
        assert_eq!((within.request, within.has_path), (Some("net-pf-1".into()), true));
        assert_eq!(environment(&[(REQUEST, "net-pf-1"), (PATH, "")]), Environment::default());
    }

    #[test]
    fn what_a_daemon_inherited_from_a_command_is_over() {
        let proc = tempfile::tempdir().unwrap();
        for (process, parent) in [(9, 8), (8, 7), (7, 1), (20, 1)] {
            let directory = proc.path().join(process.to_string());
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("stat"), format!("{process} (sh) S {parent} 1\n")).unwrap();
        }
        let of = |process: fn() -> u32, proc: &Path| {
            let variable = |name| match name {
                RUNNING => Some("a".into()),
                REQUEST => Some("fs-a".into()),
                CALLER => Some("7".into()),
                _ => None,
            };
            let environment = Environment::new(variable, proc, Process(process));
            (environment.running.len(), environment.request.is_some())
        };
        assert_eq!(of(|| 9, proc.path()), (1, true));
        assert_eq!(of(|| 20, proc.path()), (0, false));
        assert_eq!(of(|| 20, Path::new("/nonexistent")), (1, true));
    }

    #[test]
    fn a_command_knows_its_module_and_all_around_it() {
        let environment =
            Environment { running: [b"outer".to_vec()].into(), has_path: true, ..Environment::default() };
        let commands = CommandEnvironment::new(&environment, [], &Demand::Person);
        assert!(commands.is_running(&"outer".into()));
        assert!(!commands.is_running(&"inner".into()));
        let variables = commands.variables(&"inner".into());
        assert_eq!(
            variables,
            [(MODULE, "inner".into()), (RUNNING, "outer inner".into()), (CALLER, "0".into())]
        );
    }

    #[test]
    fn a_command_on_behalf_of_the_kernel_knows_the_request() {
        let demand = Demand::Kernel("net-pf-1".into());
        let commands = CommandEnvironment::new(&Environment::default(), [], &demand);
        let variables = commands.variables(&"unix".into());
        assert!(variables.contains(&(REQUEST, "net-pf-1".into())), "{variables:?}");
        assert!(variables.contains(&(PATH, paths::COMMANDS.into())), "{variables:?}");
    }

    #[test]
    fn options_of_the_run_stand_behind_those_of_the_variable() {
        let options = [("-C", Some(OsStr::new("x.conf"))), ("-q", None)];
        for (variable, expected) in
            [(None, "-C x.conf -q"), (Some("-v"), "-v -C x.conf -q"), (Some(""), " -C x.conf -q")]
        {
            let environment =
                Environment { options: variable.map(Into::into), has_path: true, ..Environment::default() };
            let commands = CommandEnvironment::new(&environment, options, &Demand::Person);
            assert!(commands.variables(&"m".into()).contains(&(OPTIONS, expected.into())), "{variable:?}");
        }
        let none = CommandEnvironment::new(&Environment::default(), [], &Demand::Person);
        assert!(!none.variables(&"m".into()).iter().any(|(name, _)| *name == OPTIONS));
    }
}
