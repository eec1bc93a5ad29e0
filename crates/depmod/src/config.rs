//! Which depmod.d files a run goes by, and what they say.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use modcli::Reporter;
use moddb::config::depmod::{self, DepmodConfig, DepmodProblem};
use moddb::config::files::{FileProblem, Reach};
use rustix::io::Errno;

use crate::messages;
use crate::request::{Request, Selection};

/// What depmod.d says, and whether all of it could be read.
pub(crate) fn read(request: &Request, reach: &dyn Reach, reporter: &Reporter) -> (DepmodConfig, bool) {
    if matches!(request.selection, Selection::Files(_)) {
        return (DepmodConfig::default(), true);
    }
    let (config, problems) = depmod::load(&paths(request), reach, request.release.as_bytes());
    for problem in &problems {
        let (severity, text) = messages::config(problem);
        reporter.message(severity, text);
    }
    let is_whole = !problems.iter().any(is_unread);
    (config, is_whole)
}

/// Whether the system kept a file from being read.
fn is_unread(problem: &DepmodProblem) -> bool {
    let DepmodProblem::File(
        FileProblem::CannotStat { errno, .. }
        | FileProblem::CannotList { errno, .. }
        | FileProblem::CannotRead { errno, .. },
    ) = problem
    else {
        return false;
    };
    !matches!(*errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR)
}

/// The files and directories of depmod.d.
pub(crate) fn paths(request: &Request) -> Vec<PathBuf> {
    if request.config.is_empty() { crate::paths::config_directories() } else { request.config.clone() }
}
