//! Which modules an operand means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use modcli::Ended;
use moddb::ModuleEntry;

use crate::caller::{self, Caller};
use crate::context::Run;
use crate::request::{AfterFailure, absolute};
use crate::{hints, messages, report};

/// The modules that an operand means; `None`, and reported, if there is none.
///
/// # Errors
/// It was reported as FATAL.
pub(crate) fn find(
    run: &Run<'_>,
    operand: &OsStr,
    after_failure: AfterFailure,
) -> Result<Option<Vec<ModuleEntry>>, Ended> {
    if run.caller == Caller::Kernel && !caller::is_safe(operand) {
        refuse_unknown(run, operand, after_failure)?;
        return Ok(None);
    }
    if is_path(operand) {
        let path: PathBuf = absolute(operand, run.current_dir);
        if let Err(error) = std::fs::metadata(&path) {
            report::refuse(run, after_failure, messages::no_such_path(operand, &error), Vec::new)?;
            return Ok(None);
        }
        return Ok(Some(vec![run.db.at_path(&path)]));
    }
    let found = run.db.resolve(operand.as_bytes());
    if !found.is_empty() {
        return Ok(Some(found));
    }
    refuse_unknown(run, operand, after_failure)?;
    Ok(None)
}

/// Whether an operand is a name that nothing has.
pub(crate) fn is_unknown(run: &Run<'_>, operand: &OsStr) -> bool {
    !is_path(operand) && run.db.resolve(operand.as_bytes()).is_empty()
}

/// Reports a name that nothing has.
///
/// # Errors
/// It was reported as FATAL.
pub(crate) fn refuse_unknown(
    run: &Run<'_>,
    operand: &OsStr,
    after_failure: AfterFailure,
) -> Result<(), Ended> {
    let text = messages::not_found_in(operand, run.db.directory().path());
    // What is wrong with the database comes before what follows from it.
    report::tables(run);
    report::interrupted(run);
    report::refuse(run, after_failure, text, || hints::about_unknown(run, operand))
}

/// Whether an operand is the path of a file and not a name.
fn is_path(operand: &OsStr) -> bool {
    let operand = operand.as_bytes();
    operand.starts_with(b"/") || operand.starts_with(b"./")
}
