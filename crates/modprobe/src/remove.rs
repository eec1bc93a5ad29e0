//! Unloading: finds what operands mean, plans, and has the plans carried out.

use std::os::unix::ffi::OsStrExt;

use modcli::{Ended, Exit};
use modfile::ModuleName;
use modhint::users::Users;
use modkernel::{KernelOps, Native};
use modload::plan::{self, UnloadOptions, UnloadPlan};
use modload::{Execution, Manner, Outcome, Stopped};

use crate::kernel::Terms;
use crate::messages;
use crate::paths;
use crate::request::Remove;
use crate::tool::Run;

/// Unloads what is named.
///
/// # Errors
/// A FATAL message was told.
pub(crate) fn run(run: &Run<'_>, request: &Remove) -> Result<Exit, Ended> {
    let terms = Terms {
        mode: request.mode,
        after_failure: request.after_failure,
        first_time: request.first_time,
        persist: request.persist,
    };
    run.carry_out(terms, &mut |execution| all(run, request, execution))
}

fn all(run: &Run<'_>, request: &Remove, execution: &mut Execution<'_>) -> Result<Exit, Ended> {
    let native = Native::of_system();
    let sysfs = native.sysfs();
    // A module that is not there has no holders.
    let holders = |module: &ModuleName| sysfs.holders(module).unwrap_or_default();
    let options = UnloadOptions {
        ignore_commands: request.ignore_commands,
        holders: if request.with_holders { Some(&holders) } else { None },
    };
    let manner = Manner { wait: request.wait, flags: request.flags };
    let mut exit = Exit::Success;
    for name in &request.names {
        let found = run.db.resolve(name.as_bytes());
        if found.is_empty() {
            run.refuse(request.after_failure, messages::not_found(name))?;
            exit = Exit::Failure;
        }
        for entry in &found {
            let mut notes = Vec::new();
            let removal = plan::unload(&run.db, entry, &options, &mut notes);
            run.report_tables();
            for note in &notes {
                run.session.reporter.error(messages::note(note));
            }
            let outcome = execution.unload(&removal, manner);
            if !matches!(outcome, Ok(Outcome::Gone)) && run.session.reporter.wants_hints() {
                hint_about_users(run, &removal, execution.kernel);
            }
            if outcome.map_err(|Stopped| Ended(Exit::Failure))? == Outcome::Stays {
                exit = Exit::Failure;
                break;
            }
        }
    }
    Ok(exit)
}

fn hint_about_users(run: &Run<'_>, removal: &UnloadPlan, kernel: &dyn KernelOps) {
    let Some(module) = used(removal, kernel) else { return };
    let holders = kernel.holders(module).unwrap_or_default();
    if let Some(hint) = Users::gather(module, &holders, &paths::shown(&run.places), &run.db).hint() {
        run.session.reporter.hint(hint);
    }
}

/// The first module of a plan that somebody uses: there its removal ended.
fn used<'r>(removal: &'r UnloadPlan, kernel: &dyn KernelOps) -> Option<&'r ModuleName> {
    let before = removal.after.iter().chain(&removal.holders).find_map(|removal| used(removal, kernel));
    let itself = || matches!(kernel.use_count(&removal.module), Ok(Some(count)) if count > 0);
    before.or_else(|| itself().then_some(&removal.module))
}
