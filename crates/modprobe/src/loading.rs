//! Loading: finds what operands mean, plans, and has the plans carried out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use modcli::{Ended, Exit, Severity};
use moddb::{FoundIn, ModuleEntry};
use modfile::ModuleName;
use modfile::name::normalize_alias;
use modhint::causes::blacklist::{self, Named};
use modkernel::KernelOps;
use modload::plan::{self, Target};
use modload::{Cause, Effect, Execution, LoadFailure, Loaded, Observer, Scripts};

use crate::caller::{self, Caller};
use crate::context::Run;
use crate::find::find;
use crate::request::{Load, Wanted};
use crate::{hints, messages, report};

/// Loads what is wanted on this kernel.
///
/// # Errors
/// A FATAL message was reported.
pub(crate) fn load_all(
    run: &Run<'_>,
    request: &Load,
    (observer, scripts): (&dyn Observer, &Scripts<'_>),
    kernel: &mut dyn KernelOps,
) -> Result<Exit, Ended> {
    let mut execution = run.execution(kernel, observer, scripts, request.how.terms);
    let mut exit = Exit::Success;
    for wanted in &request.modules {
        if load_wanted(run, request, wanted, &mut execution)? == Exit::Failure {
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// Loads what one operand means. Of several modules the last one decides.
fn load_wanted(
    run: &Run<'_>,
    request: &Load,
    wanted: &Wanted,
    execution: &mut Execution<'_>,
) -> Result<Exit, Ended> {
    if let Some(exit) = answer(run, &wanted.operand, execution) {
        return Ok(exit);
    }
    let Some(found) = find(run, &wanted.operand, request.how.after_failure)? else {
        return Ok(Exit::Failure);
    };
    let mut exit = Exit::Success;
    for entry in &found {
        exit = match load(run, request, wanted, entry, execution) {
            Ok(()) => Exit::Success,
            Err(failure) => {
                report_failure(run, request, wanted, entry, &failure);
                Exit::Failure
            }
        };
    }
    Ok(exit)
}

/// Has a command of modutils.d answer a request of the kernel that no module answers; `None` if none is configured, or
/// a module does. Names that could be something else than a name never get that far.
fn answer(run: &Run<'_>, operand: &OsStr, execution: &mut Execution<'_>) -> Option<Exit> {
    if run.caller != Caller::Kernel || !caller::is_safe(operand) {
        return None;
    }
    let scripts = execution.scripts?;
    let normalized = normalize_alias(operand.as_bytes()).ok()?;
    run.modutils.config(execution.observer).scripts().on_request(&normalized)?;
    if !run.db.resolve(operand.as_bytes()).is_empty() {
        return None;
    }
    let success = scripts.answer(execution.kernel, operand, &normalized)?;
    Some(Exit::failed_if(!success))
}

fn load(
    run: &Run<'_>,
    request: &Load,
    wanted: &Wanted,
    entry: &ModuleEntry,
    execution: &mut Execution<'_>,
) -> Result<(), LoadFailure> {
    let is_real = request.how.terms.effect == Effect::Real;
    let is_builtin = is_builtin(run, entry);
    let names =
        || std::iter::once(&entry.name).chain(entry.dependencies.iter().map(|dependency| &dependency.name));
    if is_real && !is_builtin {
        // Before any state is read: either autoclean sees the request, or we see that the module is gone.
        run.recorder().ask_for(names());
    }
    if execution.is_loaded(&entry.name, is_builtin) {
        run.session.reporter.remark(|| hints::about_present(run, entry, &wanted.params, is_builtin));
        if request.how.terms.first_time {
            let (module, params) = (entry.name.clone(), wanted.params.clone());
            return Err(LoadFailure { module, params, cause: Cause::Present, inserted: Box::default() });
        }
        if is_real && !is_builtin {
            let present = Loaded { inserted: Vec::new(), present: names().cloned().collect() };
            remember(run, &entry.name, &present);
        }
        return Ok(());
    }
    // compat: dependencies and softdeps are never looked up in the blacklist, and a module named directly only
    // with -b (cases modprobe/blacklist-dependency, modprobe/blacklist-softdep, modprobe/blacklist-name).
    if (entry.alias.is_some() || request.use_blacklist)
        && let Some(line) = run.db.config().blacklisted(entry.name.as_bytes())
    {
        run.session.reporter.remark(|| {
            let named = if entry.alias.is_some() { Named::ByAlias } else { Named::ByName };
            let command = run.db.config().install_command(entry.name.as_bytes());
            vec![blacklist::kept_out(&entry.name, line, named, command)]
        });
        return Ok(());
    }
    let rules = run.modutils.config(execution.observer).rules();
    let target = Target { entry, params: &wanted.params, ignore_commands: request.ignore_commands, rules };
    let plan = plan::load(&run.db, &target);
    report::tables(run);
    for note in &plan.notes {
        run.session.reporter.error(messages::note(note));
    }
    match execution.load(&plan, request.flags) {
        Ok(loaded) => {
            if hints::may_be_about_loaded(run, &plan) {
                run.session.reporter.remark(|| hints::about_loaded(run, request, &plan, &loaded));
            }
            if is_real {
                remember(run, &entry.name, &loaded);
            }
            Ok(())
        }
        Err(failure) => {
            // What the failed module depends on was loaded, and serves nobody.
            if is_real {
                let inserted = Loaded { inserted: failure.inserted.to_vec(), present: Vec::new() };
                remember(run, &entry.name, &inserted);
            }
            Err(failure)
        }
    }
}

/// Writes down how modules came in.
fn remember(run: &Run<'_>, target: &ModuleName, loaded: &Loaded) {
    if let Err(failed) = run.recorder().remember(target, loaded) {
        run.session.reporter.warning(messages::not_remembered(&failed));
    }
}

fn report_failure(
    run: &Run<'_>,
    request: &Load,
    wanted: &Wanted,
    entry: &ModuleEntry,
    failure: &LoadFailure,
) {
    // What is wrong with the database comes before what follows from it.
    report::tables(run);
    if let Cause::Forbidden(by) = &failure.cause {
        return report::forbidden(run, messages::forbidden(&entry.name, &failure.module, by));
    }
    report::interrupted(run);
    if let Cause::Scripts = failure.cause {
        return run.session.reporter.error(messages::stopped(&entry.name, &failure.module));
    }
    let text = messages::could_not_insert(&entry.name, failure.errno());
    let hints = || hints::of_failure(run, request, &wanted.operand, entry, failure);
    run.session.reporter.explained(Severity::Error, text, hints);
}

/// Whether a module is part of the kernel itself. A file given by its path is not.
fn is_builtin(run: &Run<'_>, entry: &ModuleEntry) -> bool {
    entry.is_builtin() || entry.found_in != FoundIn::Path && run.db.is_builtin(&entry.name)
}
