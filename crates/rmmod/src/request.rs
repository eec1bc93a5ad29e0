//! What a run of rmmod is to do, as data: after this nobody looks at options.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use modcli::common::{SYSLOG, VERBOSE};
use modcli::getopt::Parsed;
use modfile::ModuleName;

use crate::cli;

/// A run of rmmod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Unload the modules that are named.
    Remove(Remove),
    /// Unload what was loaded on demand and is idle.
    Autoclean(Autoclean),
}

/// Whether the kernel is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is.
    Real,
    /// It is only looked at.
    Dry,
}

/// Whether settings are saved before a module goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// As configured.
    Save,
    /// Not this time.
    Leave,
}

/// Modules to unload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remove {
    /// Names or files, as given; at least one.
    pub operands: Vec<OsString>,
    /// Also what is in use.
    pub force: bool,
    pub mode: Mode,
    pub settings: Settings,
}

/// One pass of autoclean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Autoclean {
    /// Only these modules; all if empty.
    pub names: Vec<ModuleName>,
    pub mode: Mode,
    pub report: Report,
    /// Whether every removal is logged.
    pub logged: bool,
    pub settings: Settings,
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
        let mode = if parsed.has(cli::DRY_RUN) { Mode::Dry } else { Mode::Real };
        let settings = if parsed.has(cli::NO_PERSIST) { Settings::Leave } else { Settings::Save };
        let force = parsed.has(cli::FORCE);
        if parsed.has(cli::AUTOCLEAN) {
            if force {
                return Err(Problem::AutocleanForced);
            }
            let report = if parsed.has(cli::JSON) {
                Report::Json
            } else if parsed.has(VERBOSE) || mode == Mode::Dry {
                Report::Lines
            } else {
                Report::Nothing
            };
            let names = parsed.operands.iter().map(|name| ModuleName::new(name.as_bytes())).collect();
            let logged = parsed.has(SYSLOG);
            return Ok(Self::Autoclean(Autoclean { names, mode, report, logged, settings }));
        }
        if parsed.has(cli::JSON) {
            return Err(Problem::JsonWithoutAutoclean);
        }
        if parsed.operands.is_empty() {
            return Err(Problem::NoModule);
        }
        Ok(Self::Remove(Remove { operands: parsed.operands.clone(), force, mode, settings }))
    }
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
