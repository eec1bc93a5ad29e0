//! A run of modprobe from its arguments to its exit status.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use modcli::getopt::Parsed;
use modcli::{Ended, Exit, Session, Severity};
use moddb::paths::{self, ModuleDir};
use moddb::{ModuleDb, TableProblem};
use modfile::ReadError;
use modkernel::Native;
use modload::{CommandEnvironment, Demand, Environment};
use modstate::Memory;
use modstate::memory::Telling;
use rustix::io::Errno;

use crate::caller::{self, Caller};
use crate::cli;
use crate::database;
use crate::diagnose::facts::kernel_command_line;
use crate::env;
use crate::insert;
use crate::messages;
use crate::paths::Places;
use crate::query;
use crate::remove;
use crate::request::{Action, AfterFailure, Format, Place, Request, Symbols};
use crate::requester::{self, Requester};
use crate::settings::{self, Modutils};

/// What the parts of a run share.
pub(crate) struct Run<'a> {
    pub session: &'a Session,
    pub places: Places,
    pub caller: Caller,
    pub origin: Demand,
    pub release: OsString,
    pub db: ModuleDb,
    pub commands: CommandEnvironment,
    pub modutils: Modutils,
}

/// Runs modprobe with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    let places = Places::of_system();
    let caller = Caller::of_process(&places.proc, &session.argv);
    let mut environment = Environment::new(std::env::var_os);
    if caller == Caller::Kernel {
        environment.options = None;
    }
    let parsed = parse(session, &environment)?;
    let request = match Request::new(&parsed, || std::env::current_dir().unwrap_or_default()) {
        Ok(request) => request,
        Err(problem) => {
            // compat: the command line is judged before -q counts.
            session.reporter.insist(Severity::Error, messages::problem(&problem));
            return Ok(Exit::Failure);
        }
    };
    let Place { root, release, config } = request.place;
    let release = release.unwrap_or_else(running_release);
    let (db, problems) = database::open(ModuleDir::new(&root, &release), &config);
    for problem in &problems {
        let (severity, text) = messages::config(problem);
        session.reporter.message(severity, text);
    }
    let origin = origin(caller, &environment, &parsed);
    let commands = CommandEnvironment::new(&environment, env::handed_on(&parsed), &origin);
    let run = Run { session, places, caller, origin, release, db, commands, modutils: Modutils::default() };
    let requester = run.requester();
    let exit = run.act(&request.action);
    run.report_tables();
    if let (Some(requester), Some(name)) = (requester, parsed.operands.first()) {
        session.reporter.insist(Severity::Info, messages::requested(name, &requester));
    }
    // The process ends: giving back memory piece by piece would cost a tenth of a short run.
    std::mem::forget(run);
    exit
}

/// On whose behalf this process loads modules.
fn origin(caller: Caller, environment: &Environment, parsed: &Parsed) -> Demand {
    let request = match caller {
        Caller::Kernel => parsed.operands.first(),
        Caller::Anyone if parsed.has(cli::AUTOCLEAN) => parsed.operands.first(),
        Caller::Anyone => environment.request.as_ref(),
    };
    request.map_or(Demand::Person, |request| Demand::Kernel(request.clone()))
}

/// The kernel's own forms are taken apart without building the definition of all options.
fn parse(session: &Session, environment: &Environment) -> Result<Parsed, Ended> {
    let recognised = if environment.options.is_none() { caller::recognise(&session.argv) } else { None };
    let parsed = match recognised {
        Some(parsed) => {
            session.apply(cli::DEFINITION.threshold, &parsed);
            parsed
        }
        None => session
            .parse_arguments(&cli::DEFINITION, &env::extend(&session.argv, environment.options.as_deref()))?,
    };
    if parsed.has(cli::AUTOCLEAN) {
        session.reporter.silence();
    }
    Ok(parsed)
}

/// The release of the running kernel.
pub(crate) fn running_release() -> OsString {
    OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec())
}

impl Run<'_> {
    fn act(&self, action: &Action) -> anyhow::Result<Exit> {
        Ok(match action {
            Action::ShowConfig => self.show_config()?,
            Action::ShowSymbols { which, module } => self.show_symbols(*which, module)?,
            Action::ShowNames { names, after_failure } => self.show_names(names, *after_failure)?,
            Action::List { pattern, below } => self.list(pattern.as_deref(), below.as_deref())?,
            Action::Explain { name, format } => self.explain(name, *format)?,
            Action::SaveSettings(names) => settings::save(self, names),
            Action::ShowSettings(names) => settings::show(self, names)?,
            Action::Insert(request) => insert::run(self, request)?,
            Action::Remove(request) => remove::run(self, request)?,
        })
    }

    /// Who made the kernel ask, where the administrator wants that logged. Found before anything is loaded: the
    /// one who waits may be gone afterwards.
    fn requester(&self) -> Option<Requester> {
        if self.caller != Caller::Kernel {
            return None;
        }
        let is_wanted = self.modutils.config(&self.session.reporter).logs_requests();
        is_wanted.then(|| requester::find(&self.places.proc))
    }

    /// Tells what was wrong with tables of the database up to now.
    pub fn report_tables(&self) {
        let problems = self.db.take_problems();
        // The old kernels' form asks for quiet as well, by whomever it is given.
        if matches!(self.origin, Demand::Kernel(_)) {
            // Without the first of them all the others are of no use.
            if let Some(problem) = problems.first() {
                self.log_once(problem);
            }
        }
        for problem in &problems {
            let (severity, text) = messages::table(problem);
            self.session.reporter.message(severity, text);
        }
    }

    /// Logs for the kernel, which calls quietly and has nobody to tell, that its modules cannot be found.
    fn log_once(&self, problem: &TableProblem) {
        let Some(message) = messages::for_the_kernel(problem, &self.release) else { return };
        let is_told = match Memory::new(&self.places).tell_once(&message.cause) {
            Telling::Now => true,
            Telling::Told => false,
            // Early in the boot it is right that there are no modules.
            Telling::NoMemory => self.db.directory().path().is_dir(),
        };
        if is_told {
            self.session.reporter.insist(message.severity, message.text);
        }
    }

    /// Tells what ends the run, or with `-a` only this operand.
    pub fn refuse(&self, after_failure: AfterFailure, text: Vec<u8>) -> Result<(), Ended> {
        // Why a table could not be asked stands before what follows from it.
        self.report_tables();
        match after_failure {
            AfterFailure::Stop => self.session.reporter.fatal(text),
            AfterFailure::GoOn => {
                self.session.reporter.warning(text);
                Ok(())
            }
        }
    }

    fn show_config(&self) -> Result<Exit, Ended> {
        self.session.output.print(query::config::text(&self.db))?;
        Ok(Exit::Success)
    }

    fn show_names(&self, names: &[OsString], after_failure: AfterFailure) -> Result<Exit, Ended> {
        let mut exit = Exit::Success;
        for name in names {
            let Some(found) = self.find(name, after_failure)? else {
                exit = Exit::Failure;
                continue;
            };
            for entry in &found {
                self.session.output.print_line(entry.name.as_bytes())?;
            }
        }
        Ok(exit)
    }

    fn list(&self, pattern: Option<&OsStr>, below: Option<&OsStr>) -> anyhow::Result<Exit> {
        use anyhow::Context;
        let path = self.db.directory().text(paths::Table::Dependencies);
        let text = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        for file in query::list::files(&text, pattern, below) {
            self.session.output.print_line(file)?;
        }
        Ok(Exit::Success)
    }

    fn explain(&self, name: &OsStr, format: Format) -> Result<Exit, Ended> {
        let command_line = kernel_command_line(&self.places);
        let forbidden = command_line
            .split_ascii_whitespace()
            .filter_map(|item| item.strip_prefix("module_blacklist="))
            .next_back()
            .unwrap_or_default();
        let explained = query::explain::explain(&self.db, name.as_bytes(), &Native::of_system(), forbidden);
        if explained.is_empty() && self.find(name, AfterFailure::Stop)?.is_none() {
            return Ok(Exit::Failure);
        }
        self.session.output.print(match format {
            Format::Text => query::explain::as_text(&explained),
            Format::Json => query::explain::as_json(&explained),
        })?;
        Ok(Exit::Success)
    }

    fn show_symbols(&self, which: Symbols, module: &OsStr) -> Result<Exit, Ended> {
        let given = Path::new(module);
        let found = self.db.resolve(module.as_bytes());
        let path =
            if given.exists() { Some(given) } else { found.first().and_then(|entry| entry.path.as_deref()) };
        let Some(path) = path else {
            self.refuse(AfterFailure::Stop, messages::not_found(module))?;
            return Ok(Exit::Failure);
        };
        let word = match which {
            Symbols::Needed => "modversions",
            Symbols::Exported => "symbols",
        };
        let errno = match query::symbols::lines(path, which) {
            Ok(Some(lines)) => {
                self.session.output.print(lines)?;
                return Ok(Exit::Success);
            }
            Ok(None) => Errno::NODATA.raw_os_error(),
            Err(error) => ReadError::errno(&error),
        };
        self.session.reporter.fatal(messages::no_symbols(word, module, errno))?;
        Ok(Exit::Failure)
    }
}
