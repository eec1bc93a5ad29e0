//! What a run of rmmod is to do, as data: after this nobody looks at options.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use modcli::common::{SYSLOG, VERBOSE};
use modcli::getopt::Parsed;
use modfile::ModuleName;
use modload::{Effect, Persist};

use crate::cli;

/// A run of rmmod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Unload the modules that are named.
    Remove(Remove),
    /// Unload what was loaded on demand and is idle.
    Autoclean(Autoclean),
}

/// Modules to unload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remove {
    /// Names or files, as given; at least one.
    pub operands: Vec<OsString>,
    /// Also what is in use.
    pub force: bool,
    pub effect: Effect,
    /// Whether each removal is shown.
    pub show: bool,
    pub persist: Persist,
}

/// One pass of autoclean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Autoclean {
    /// Only these modules; all if empty.
    pub names: Vec<ModuleName>,
    pub effect: Effect,
    pub report: Report,
    /// Whether every removal is logged.
    pub logged: bool,
    pub persist: Persist,
    /// Options that a modprobe within a remove command is to have as well.
    pub handed_on: Vec<&'static str>,
}

/// How the modules are described on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Nothing,
    Lines,
    Json,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing is named.
    NoModule,
    /// `-a` together with `-f`.
    AutocleanForced,
    /// `--json` without `-a`.
    JsonWithoutAutoclean,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(parsed: &Parsed) -> Result<Self, Problem> {
        let effect = if parsed.has(cli::DRY_RUN) { Effect::Rehearsed } else { Effect::Real };
        let persist = if parsed.has(cli::NO_PERSIST) { Persist::NotThisTime } else { Persist::AsConfigured };
        let force = parsed.has(cli::FORCE);
        if parsed.has(cli::AUTOCLEAN) {
            if force {
                return Err(Problem::AutocleanForced);
            }
            let report = if parsed.has(cli::JSON) {
                Report::Json
            } else if parsed.has(VERBOSE) || effect == Effect::Rehearsed {
                Report::Lines
            } else {
                Report::Nothing
            };
            let names = parsed.operands.iter().map(|name| ModuleName::new(name.as_bytes())).collect();
            let logged = parsed.has(SYSLOG);
            let handed_on = handed_on(parsed);
            return Ok(Self::Autoclean(Autoclean { names, effect, report, logged, persist, handed_on }));
        }
        if parsed.has(cli::JSON) {
            return Err(Problem::JsonWithoutAutoclean);
        }
        if parsed.operands.is_empty() {
            return Err(Problem::NoModule);
        }
        let show = effect == Effect::Rehearsed;
        Ok(Self::Remove(Remove { operands: parsed.operands.clone(), force, effect, show, persist }))
    }

    /// Whether the kernel is changed.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Remove(remove) => remove.effect,
            Self::Autoclean(autoclean) => autoclean.effect,
        }
    }

    /// Whether each removal is shown as it is made.
    pub fn shows(&self) -> bool {
        matches!(self, Self::Remove(Remove { show: true, .. }))
    }

    /// Options that a modprobe within a remove command is to have as well.
    pub fn handed_on(&self) -> &[&'static str] {
        match self {
            Self::Remove(_) => &[],
            Self::Autoclean(autoclean) => &autoclean.handed_on,
        }
    }

    /// Whether settings are saved before a module goes.
    pub fn persist(&self) -> Persist {
        match self {
            Self::Remove(remove) => remove.persist,
            Self::Autoclean(autoclean) => autoclean.persist,
        }
    }
}

/// As modprobe hands them on.
fn handed_on(parsed: &Parsed) -> Vec<&'static str> {
    let handed_on = parsed.events.iter().filter_map(|event| match event.id.as_str() {
        SYSLOG => Some("-s"),
        VERBOSE => Some("-v"),
        cli::NO_PERSIST => Some("--no-persist"),
        _ => None,
    });
    handed_on.collect()
}

#[cfg(test)]
mod tests {
    use modcli::getopt::{self, Options, Order};

    use super::*;

    fn request(arguments: &[&str]) -> Result<Request, Problem> {
        let command = cli::command();
        let argv: Vec<OsString> =
            std::iter::once("rmmod").chain(arguments.iter().copied()).map(OsString::from).collect();
        Request::new(&getopt::parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap())
    }

    #[test]
    fn a_module_must_be_named_except_for_autoclean() {
        assert_eq!(request(&[]), Err(Problem::NoModule));
        assert_eq!(request(&["-w", "-s", "-v"]), Err(Problem::NoModule));
        assert!(matches!(request(&["-a"]), Ok(Request::Autoclean(_))));
        assert!(matches!(request(&["-as"]), Ok(Request::Autoclean(Autoclean { logged: true, .. }))));
        assert!(matches!(request(&["a", "-w"]), Ok(Request::Remove(Remove { force: false, .. }))));
    }

    #[test]
    fn autoclean_is_never_forced_and_alone_has_a_report() {
        assert_eq!(request(&["-af"]), Err(Problem::AutocleanForced));
        assert_eq!(request(&["--json", "a"]), Err(Problem::JsonWithoutAutoclean));
        for (arguments, report) in [
            (&["-a"][..], Report::Nothing),
            (&["-av"], Report::Lines),
            (&["-an"], Report::Lines),
            (&["-anv", "--json"], Report::Json),
        ] {
            let Ok(Request::Autoclean(autoclean)) = request(arguments) else { panic!("{arguments:?}") };
            assert_eq!(autoclean.report, report, "{arguments:?}");
        }
    }
}
