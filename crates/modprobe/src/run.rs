//! A run of modprobe from its arguments to its exit status.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use modcli::getopt::Parsed;
use modcli::{Ended, Exit, Session, Severity};
use moddb::paths::ModuleDir;
use modkernel::KernelOps;
use modload::{CommandEnvironment, Demand, Environment, Modutils, Process, Stage};
use modstate::{LogKind, Places, SystemClock};

use crate::caller::{self, Caller};
use crate::context::{Run, System};
use crate::loading::load_all;
use crate::observer::Teller;
use crate::request::{Load, Place, Request, Unload, Work};
use crate::requester::{self, Requester};
use crate::unloading::unload_all;
use crate::{cli, database, env, messages, query, report, settings};

/// Runs modprobe with the arguments of a session, on this system.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    let places = Places::of_system();
    let system = System {
        kernel: kernel(&places),
        clock: &SystemClock,
        caller: Caller::of_process(&places.proc, &session.argv),
        environment: Environment::new(std::env::var_os, &places.proc, Process(std::process::id)),
        release: OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec()),
        current_dir: &|| std::env::current_dir().unwrap_or_default(),
        places: &places,
    };
    run_in(session, system)
}

/// The running kernel.
#[cfg(not(feature = "libkmod"))]
fn kernel(places: &Places) -> modkernel::Native {
    modkernel::Native::seen_through(modkernel::Sysfs::new(places.sys_module()))
}

/// The running kernel through libkmod, which knows by itself where sysfs is.
#[cfg(feature = "libkmod")]
fn kernel(_: &Places) -> modkernel_libkmod::LibKmod {
    modkernel_libkmod::LibKmod::of_system()
}

/// Runs modprobe with the arguments of a session, on a system of values.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run_in<K: KernelOps>(session: &Session, system: System<'_, K>) -> anyhow::Result<Exit> {
    let System { kernel, places, clock, caller, mut environment, release: running, current_dir } = system;
    if caller == Caller::Kernel {
        environment.options = None;
    }
    let parsed = parse(session, &environment)?;
    let request = match Request::new(&parsed, caller, environment.request.as_deref(), current_dir) {
        Ok(request) => request,
        Err(problem) => {
            // compat: the command line is judged before -q counts (case modprobe/option-operand-missing-quiet).
            session.reporter.insist(Severity::Error, messages::problem(&problem));
            return Ok(Exit::Failure);
        }
    };
    let Request { action, place: Place { root, release, config }, demand, handed_on, hints } = request;
    session.reporter.gives_hints(hints);
    if caller == Caller::Anyone {
        modcli::entry::heed_time_limit();
    }
    let release = release.unwrap_or_else(|| running.clone());
    let (db, problems) =
        database::open(ModuleDir::new(&root, &release), &config, &places.proc.join("cmdline"));
    // A check reports them among the rest.
    if !matches!(action, Work::Check { .. }) {
        for problem in &problems {
            let (severity, text) = messages::config(problem);
            session.reporter.message(severity, text);
        }
    }
    let handed_on = handed_on.iter().map(|(option, value)| (*option, value.as_deref()));
    let commands = CommandEnvironment::new(&environment, handed_on, &demand);
    let modutils = Modutils::new(places);
    let run = Run {
        session,
        places,
        clock,
        pause: &|time| clock.pause(time),
        caller,
        demand,
        running,
        release,
        current_dir,
        config_places: config,
        problems,
        db,
        commands,
        modutils,
    };
    let requester = requester(&run);
    let exit = act(&run, &action, kernel);
    report::tables(&run);
    if let Some((name, requester)) = requester {
        session.reporter.insist(Severity::Info, messages::requested(name, &requester));
    }
    // The process ends: giving back memory piece by piece would cost a tenth of a short run.
    std::mem::forget(run);
    exit
}

/// The kernel's own forms are taken apart without building the definition of all options.
fn parse(session: &Session, environment: &Environment) -> Result<Parsed, Ended> {
    let recognised = if environment.options.is_none() { caller::recognise(&session.argv) } else { None };
    let parsed = match recognised {
        Some(parsed) => {
            session.apply(cli::DEFINITION.threshold, &parsed);
            parsed
        }
        None => {
            let argv = env::extend(&session.argv, environment.options.as_deref());
            session.parse_arguments(&cli::DEFINITION, &argv)?
        }
    };
    if parsed.has(cli::AUTOCLEAN) {
        session.reporter.silence();
    }
    Ok(parsed)
}

/// What the kernel asked for and who made it ask, where the administrator wants that logged. Found before anything
/// is loaded: the one who waits may be gone afterwards.
fn requester<'r>(run: &'r Run<'_>) -> Option<(&'r OsString, Requester)> {
    let Demand::Kernel(name) = &run.demand else { return None };
    if run.caller != Caller::Kernel {
        return None;
    }
    let is_wanted = run.modutils.config(&Teller::of_query(run)).logs_requests();
    if !is_wanted {
        return None;
    }
    // Looking at every process takes time, and frequent requests could fill the log.
    report::may_log(run, LogKind::Requests).then(|| (name, requester::find(&run.places.proc)))
}

fn act(run: &Run<'_>, action: &Work, kernel: impl KernelOps) -> anyhow::Result<Exit> {
    Ok(match action {
        Work::ShowConfig => query::show_config(run)?,
        Work::ShowSymbols { which, module } => query::show_symbols(run, *which, module)?,
        Work::ShowNames { names, after_failure } => query::show_names(run, names, *after_failure)?,
        Work::List { pattern, below } => query::list(run, pattern.as_deref(), below.as_deref())?,
        Work::Explain { names, format } => query::explain(run, names, *format, &kernel)?,
        Work::Check { names, format } => query::check(run, names, *format)?,
        Work::SaveSettings(names) => settings::save(run, names, &kernel),
        Work::RestoreSettings { names, persist } => settings::restore(run, names, *persist, &kernel),
        Work::ShowSettings(names) => settings::show(run, names, &kernel)?,
        Work::Load(request) => load(run, request, kernel)?,
        Work::Unload(request) => unload(run, request, kernel)?,
    })
}

fn load(run: &Run<'_>, request: &Load, system: impl KernelOps) -> Result<Exit, Ended> {
    let teller = Teller::new(run, request.how);
    if report::is_denied(run, &teller) {
        return Ok(Exit::Failure);
    }
    let settings = run.settings(request.persist, &teller);
    let mut kernel = Stage::new(request.how.terms.effect, system, &settings);
    let scripts = run.scripts(&teller, request.how.terms.effect).skipped_if(request.ignore_commands);
    let outcome = load_all(run, request, (&teller, &scripts), &mut kernel);
    kernel.finish();
    Ok(outcome?.or_failure_if(scripts.have_failed()))
}

fn unload(run: &Run<'_>, request: &Unload, system: impl KernelOps) -> Result<Exit, Ended> {
    let teller = Teller::new(run, request.how);
    let settings = run.settings(request.persist, &teller);
    let mut kernel = Stage::new(request.how.terms.effect, system, &settings);
    let scripts = run.scripts(&teller, request.how.terms.effect).skipped_if(request.ignore_commands);
    let outcome = unload_all(run, request, (&teller, &scripts), &mut kernel);
    kernel.finish();
    Ok(outcome?.or_failure_if(scripts.have_failed()))
}
