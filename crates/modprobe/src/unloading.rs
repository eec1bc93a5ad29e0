//! Unloading: finds what operands mean, plans, and has the plans carried out.

use std::os::unix::ffi::OsStrExt;

use modcli::{Ended, Exit};
use modfile::ModuleName;
use modkernel::KernelOps;
use modload::plan::{self, UnloadOptions};
use modload::{Manner, Observer, Outcome, Scripts, Stopped};

use crate::context::Run;
use crate::request::Unload;
use crate::{hints, messages, report};

/// Unloads what is named from this kernel.
///
/// # Errors
/// A FATAL message was reported.
pub(crate) fn unload_all(
    run: &Run<'_>,
    request: &Unload,
    (observer, scripts): (&dyn Observer, &Scripts<'_>),
    kernel: &mut dyn KernelOps,
) -> Result<Exit, Ended> {
    let manner = Manner { wait: request.wait, flags: request.flags };
    let mut exit = Exit::Success;
    for name in &request.names {
        let found = run.db.resolve(name.as_bytes());
        if found.is_empty() {
            report::refuse(run, request.how.after_failure, messages::not_found(name), || {
                hints::about_unknown(run, name)
            })?;
            exit = Exit::Failure;
        }
        for entry in &found {
            let mut notes = Vec::new();
            let plan = {
                // A module that is not there has no holders.
                let holders = |module: &ModuleName| kernel.holders(module).unwrap_or_default();
                let options = UnloadOptions {
                    ignore_commands: request.ignore_commands,
                    holders: if request.with_holders { Some(&holders) } else { None },
                };
                plan::unload(&run.db, entry, &options, &mut notes)
            };
            report::tables(run);
            for note in &notes {
                run.session.reporter.error(messages::note(note));
            }
            let outcome = run.execution(kernel, observer, scripts, request.how.terms).unload(&plan, manner);
            if !matches!(outcome, Ok(Outcome::Gone)) {
                run.session.reporter.explain(|| hints::about_stay(run, &plan, kernel));
            }
            if outcome.map_err(|Stopped| Ended(Exit::Failure))? == Outcome::Stays {
                exit = Exit::Failure;
                break;
            }
        }
    }
    Ok(exit)
}
