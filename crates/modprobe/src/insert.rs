//! Loading: finds what operands mean, plans, and has the plans carried out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use modcli::{Ended, Exit};
use moddb::{FoundIn, ModuleEntry};
use modfile::ModuleName;
use modkernel::Native;
use modload::plan::{self, Target};
use modload::{Cause, Execution, LoadFailure, Loaded};

use crate::caller::{self, Caller};
use crate::diagnose::blacklist;
use crate::kernel::Terms;
use crate::messages;
use crate::remember;
use crate::request::{AfterFailure, Insert, Wanted, absolute};
use crate::tool::Run;

/// Loads what is wanted.
///
/// # Errors
/// A FATAL message was told.
pub(crate) fn run(run: &Run<'_>, request: &Insert) -> Result<Exit, Ended> {
    let terms = Terms {
        mode: request.mode,
        after_failure: request.after_failure,
        first_time: request.first_time,
        persist: request.persist,
    };
    run.carry_out(terms, &mut |execution| {
        let mut exit = Exit::Success;
        for wanted in &request.modules {
            if one(run, request, wanted, execution)? == Exit::Failure {
                exit = Exit::Failure;
            }
        }
        Ok(exit)
    })
}

/// Loads what one operand means. Of several modules the last one decides.
fn one(
    run: &Run<'_>,
    request: &Insert,
    wanted: &Wanted,
    execution: &mut Execution<'_>,
) -> Result<Exit, Ended> {
    let Some(found) = run.find(&wanted.operand, request.after_failure)? else { return Ok(Exit::Failure) };
    let mut exit = Exit::Success;
    for entry in &found {
        exit = Exit::failed_if(load(run, request, wanted, entry, execution).is_err());
    }
    Ok(exit)
}

/// The failure was told.
struct Failed;

fn load(
    run: &Run<'_>,
    request: &Insert,
    wanted: &Wanted,
    entry: &ModuleEntry,
    execution: &mut Execution<'_>,
) -> Result<(), Failed> {
    let is_builtin = run.is_builtin(entry);
    if execution.is_loaded(&entry.name, is_builtin) {
        run.hint_about_present(entry, &wanted.params, is_builtin);
        if request.first_time {
            let (module, params) = (entry.name.clone(), wanted.params.clone());
            let failure = LoadFailure { module, params, cause: Cause::Present, inserted: Box::default() };
            return Err(fail(run, entry, &failure));
        }
        if request.mode.is_real() && !is_builtin {
            let modules = std::iter::once(&entry.name)
                .chain(entry.dependencies.iter().map(|dependency| &dependency.name));
            let present = Loaded { inserted: Vec::new(), present: modules.cloned().collect() };
            run.remember(&entry.name, &present);
        }
        return Ok(());
    }
    // compat: dependencies and softdeps are never looked up in the blacklist, and a module named directly only
    // with -b.
    if (entry.alias.is_some() || request.use_blacklist)
        && let Some(line) = run.db.config().blacklisted(entry.name.as_bytes())
    {
        if run.session.reporter.is_verbose() {
            run.session.reporter.hint(blacklist::kept_out(&entry.name, line));
        }
        return Ok(());
    }
    let target = Target { entry, params: &wanted.params, ignore_commands: request.ignore_commands };
    let plan = plan::load(&run.db, &target);
    run.report_tables();
    for note in &plan.notes {
        run.session.reporter.error(messages::note(note));
    }
    match execution.load(&plan, request.flags) {
        Ok(loaded) => {
            run.name_blacklisted(&loaded, &entry.name);
            if request.mode.is_real() {
                run.remember(&entry.name, &loaded);
            }
            Ok(())
        }
        Err(failure) => {
            // What the module that failed needs is there all the same, and for nobody.
            if request.mode.is_real() {
                let inserted = Loaded { inserted: failure.inserted.to_vec(), present: Vec::new() };
                run.remember(&entry.name, &inserted);
            }
            Err(fail(run, entry, &failure))
        }
    }
}

fn fail(run: &Run<'_>, entry: &ModuleEntry, failure: &LoadFailure) -> Failed {
    let reporter = &run.session.reporter;
    reporter.error(messages::could_not_insert(&entry.name, failure.errno()));
    if reporter.wants_hints() {
        for hint in run.hints(failure) {
            reporter.hint(hint);
        }
    }
    Failed
}

impl Run<'_> {
    /// Whether a module is part of the kernel itself. A file given by its path is not.
    pub fn is_builtin(&self, entry: &ModuleEntry) -> bool {
        entry.is_builtin() || entry.found_in != FoundIn::Path && self.db.is_builtin(&entry.name)
    }

    /// The modules that an operand means; `None`, and told, if there is none.
    ///
    /// # Errors
    /// It was told as FATAL.
    pub fn find(
        &self,
        operand: &OsStr,
        after_failure: AfterFailure,
    ) -> Result<Option<Vec<ModuleEntry>>, Ended> {
        if self.caller == Caller::Kernel && !caller::is_safe(operand) {
            self.refuse_unknown(operand, after_failure)?;
            return Ok(None);
        }
        if is_path(operand) {
            let path: PathBuf = absolute(operand, || std::env::current_dir().unwrap_or_default());
            if let Err(error) = std::fs::metadata(&path) {
                self.refuse(after_failure, messages::no_such_path(operand, &error))?;
                return Ok(None);
            }
            return Ok(Some(vec![self.db.at_path(&path)]));
        }
        let found = self.db.resolve(operand.as_bytes());
        if !found.is_empty() {
            return Ok(Some(found));
        }
        self.refuse_unknown(operand, after_failure)?;
        Ok(None)
    }

    fn refuse_unknown(&self, operand: &OsStr, after_failure: AfterFailure) -> Result<(), Ended> {
        let refused = self.refuse(after_failure, messages::not_found_in(operand, self.db.directory().path()));
        self.hint_about_directory();
        refused
    }

    fn remember(&self, target: &ModuleName, loaded: &Loaded) {
        let native = Native::of_system();
        remember::remember(&self.places, &self.origin, native.sysfs().modules(), target, loaded);
    }
}

/// Whether an operand is the path of a file and not a name.
fn is_path(operand: &OsStr) -> bool {
    let operand = operand.as_bytes();
    operand.starts_with(b"/") || operand.starts_with(b"./")
}
