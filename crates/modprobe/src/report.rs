//! What is reported of the database, and what ends a run.

use std::os::unix::ffi::OsStrExt;

use modcli::{Ended, Severity};
use moddb::TableProblem;
use modfile::name::normalize_alias;
use modhint::causes::interrupted::{self, Replacing};
use modload::{Demand, Observer};
use modstate::memory::Telling;
use modstate::{LogKind, MayLog, Memory};

use crate::caller::Caller;
use crate::context::Run;
use crate::messages;
use crate::request::AfterFailure;

/// Reports what was wrong with tables of the database up to now.
pub(crate) fn tables(run: &Run<'_>) {
    let problems = run.db.take_problems();
    // The old kernels' form asks for quiet as well, whoever uses it.
    if matches!(run.demand, Demand::Kernel(_)) {
        // Without the first of them the others are useless.
        if let Some(problem) = problems.first() {
            log_once(run, problem);
        }
    }
    for problem in &problems {
        let (severity, text) = messages::table(problem);
        run.session.reporter.message(severity, text);
    }
}

/// Logs for the kernel, which calls quietly and has nobody to report to, that its modules cannot be found.
fn log_once(run: &Run<'_>, problem: &TableProblem) {
    let Some(message) = messages::for_the_kernel(problem, &run.release) else { return };
    let is_told = match Memory::new(run.places).tell_once(&message.cause) {
        Telling::Now => true,
        Telling::Told => false,
        // Early in the boot there need not be any modules.
        Telling::NoMemory => run.db.directory().path().is_dir(),
    };
    if is_told {
        run.session.reporter.insist(message.severity, message.text);
    }
}

/// Reports that a module may not be loaded, also to those who asked for quiet.
pub(crate) fn forbidden(run: &Run<'_>, text: Vec<u8>) {
    match run.demand {
        Demand::Person => run.session.reporter.insist(Severity::Error, text),
        Demand::Kernel(_) => log(run, LogKind::Refusals, text),
    }
}

/// Whether the kernel may not ask for what it asks for; that is logged.
pub(crate) fn is_denied(run: &Run<'_>, observer: &dyn Observer) -> bool {
    let Demand::Kernel(name) = &run.demand else { return false };
    let rules = run.modutils.config(observer).rules();
    // Text with an unmatched bracket is not a name.
    let Ok(normalized) = normalize_alias(name.as_bytes()) else { return false };
    let Some(line) = rules.denied(&normalized) else { return false };
    log(run, LogKind::Refusals, messages::denied(name, line));
    true
}

/// Logs what went wrong with a request of the kernel, if it may be logged now.
pub(crate) fn log(run: &Run<'_>, kind: LogKind, text: Vec<u8>) {
    if may_log(run, kind) {
        run.session.reporter.insist(Severity::Error, text);
    }
}

/// Whether a line about a request of the kernel may be logged now; if some were not, their number is logged first.
/// Users can make the kernel ask for anything, as often as they like.
pub(crate) fn may_log(run: &Run<'_>, kind: LogKind) -> bool {
    match Memory::new(run.places).may_log(kind, run.clock.since_boot()) {
        MayLog::Yes { left_out } => {
            if left_out > 0 {
                run.session.reporter.insist(Severity::Info, messages::not_logged(kind, left_out));
            }
            true
        }
        MayLog::No => false,
    }
}

/// After a lookup or a load that failed: reports that depmod was killed, or is at work, which may be the reason.
pub(crate) fn interrupted(run: &Run<'_>) {
    let directory = run.db.directory().path();
    let replacing = interrupted::look(directory);
    let Some(text) = interrupted::remedy(replacing, directory) else { return };
    let reporter = &run.session.reporter;
    if run.caller != Caller::Kernel {
        reporter.warning(text);
    } else if replacing != Replacing::Now
        && Memory::new(run.places).tell_once("depmod-interrupted") == Telling::Now
    {
        reporter.insist(Severity::Warning, text);
    }
}

/// Reports what ends the run, or with `-a` only this operand, and what is known about it.
///
/// # Errors
/// It was reported as FATAL.
pub(crate) fn refuse(
    run: &Run<'_>,
    after_failure: AfterFailure,
    text: Vec<u8>,
    hints: impl FnOnce() -> Vec<String>,
) -> Result<(), Ended> {
    // Why a table could not be read comes before what follows from it.
    tables(run);
    let reporter = &run.session.reporter;
    let refused = match after_failure {
        AfterFailure::Stop => reporter.fatal(text),
        AfterFailure::GoOn => {
            reporter.warning(text);
            Ok(())
        }
    };
    reporter.explain(hints);
    refused
}
