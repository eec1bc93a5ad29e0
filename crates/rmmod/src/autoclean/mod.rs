//! One pass of `rmmod -a`: looks at every module that the kernel loaded on demand, marks those that are idle, and
//! unloads those that an earlier pass had marked, an interval ago at least.
//!
//! The pass never forces and never waits. The kernel has the last word on whether a module is in use; everything
//! here only decides whether it is asked. A pass that is killed leaves records and marks that are valid.

mod classes;
mod look;
mod pass;
mod policy;
mod records;
mod removal;
mod report;
mod wanted;

use std::io;

use modcli::{Exit, Session};
use moddb::ModuleDb;
use modhint::evidence;
use modkernel::KernelOps;
use modload::{CommandEnvironment, Effect, Modutils, Observer, Scripts};
use modstate::{BootId, Clock, Memory};

use crate::messages;
use crate::places::Layout;
use crate::request::{Autoclean, Report};

use pass::Pass;

/// The context of a run, apart from the kernel.
pub(crate) struct Hands<'a> {
    pub session: &'a Session,
    pub layout: &'a Layout,
    pub clock: &'a dyn Clock,
    /// What modutils.d says.
    pub modutils: &'a Modutils<'a>,
    /// For remove commands.
    pub commands: &'a CommandEnvironment,
    /// The commands of modutils.d around each removal.
    pub scripts: &'a Scripts<'a>,
    pub observer: &'a dyn Observer,
}

/// Runs a pass and shows what was asked for.
pub(crate) fn run(hands: &Hands<'_>, request: &Autoclean, kernel: &mut dyn KernelOps) -> Exit {
    let &Hands { session, layout, clock, modutils, commands, scripts, observer } = hands;
    let reporter = &session.reporter;
    let memory = Memory::new(&layout.places);
    let records = match memory.records() {
        Ok(records) => records,
        Err(error) => {
            reporter.error(messages::cannot_work_in(&layout.places.run, &error.into()));
            return Exit::Failure;
        }
    };
    if records.is_empty() {
        if request.report == Report::Json {
            session.output.show(report::json(&[]));
        }
        return Exit::Success;
    }
    // Held until the end of the pass. A second pass would find the same as this one.
    let _lock = match (request.effect, memory.lock()) {
        (Effect::Rehearsed, _) => None,
        (Effect::Real, Ok(Some(lock))) => Some(lock),
        (Effect::Real, Ok(None)) => return Exit::Success,
        (Effect::Real, Err(error)) => {
            reporter.error(messages::cannot_work_in(&layout.places.run, &error));
            return Exit::Failure;
        }
    };
    let boot = match BootId::read(&layout.places.boot_id()) {
        Ok(boot) => boot,
        Err(error) => return unknown(session, "the boot id", &error),
    };
    let loaded = match look::List::read(layout) {
        Ok(loaded) => loaded,
        Err(error) => return unknown(session, "the list of modules", &error),
    };
    let db = ModuleDb::new(layout.module_directory.clone(), moddb::config::Config::default());
    let pass = Pass {
        session,
        layout,
        request,
        config: modutils.config(observer),
        commands,
        scripts,
        observer,
        memory: &memory,
        evidence: &evidence::KINDS,
        boot,
        clock,
        now: clock.since_boot(),
        db,
    };
    let (lines, exit) = pass.run(records, &loaded, kernel);
    match request.report {
        Report::Nothing => {}
        Report::Lines => session.output.show(report::lines(&lines)),
        Report::Json => session.output.show(report::json(&lines)),
    }
    exit
}

/// Without this knowledge every module stays.
fn unknown(session: &Session, what: &str, error: &io::Error) -> Exit {
    session.reporter.error(messages::cannot_know(what, error));
    Exit::Failure
}

#[cfg(test)]
pub(crate) mod tests;
