//! What is reported of the database, and what ends a run.

use modcli::Ended;
use moddb::TableProblem;
use modload::Demand;
use modstate::Memory;
use modstate::memory::Telling;

use crate::context::Run;
use crate::messages;
use crate::request::AfterFailure;

/// Reports what was wrong with tables of the database up to now.
pub(crate) fn tables(run: &Run<'_>) {
    let problems = run.db.take_problems();
    // The old kernels' form asks for quiet as well, by whomever it is given.
    if matches!(run.demand, Demand::Kernel(_)) {
        // Without the first of them all the others are of no use.
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
        // Early in the boot it is right that there are no modules.
        Telling::NoMemory => run.db.directory().path().is_dir(),
    };
    if is_told {
        run.session.reporter.insist(message.severity, message.text);
    }
}

/// Reports what ends the run, or with `-a` only this operand.
///
/// # Errors
/// It was reported as FATAL.
pub(crate) fn refuse(run: &Run<'_>, after_failure: AfterFailure, text: Vec<u8>) -> Result<(), Ended> {
    // Why a table could not be asked stands before what follows from it.
    tables(run);
    match after_failure {
        AfterFailure::Stop => run.session.reporter.fatal(text),
        AfterFailure::GoOn => {
            run.session.reporter.warning(text);
            Ok(())
        }
    }
}
