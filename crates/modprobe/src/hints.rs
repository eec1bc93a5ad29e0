//! Hints: looks for the facts behind what went wrong, or has no effect, and reports what is found.
//!
//! What makes a hint is decided in [`crate::diagnose`]; nothing is looked for unless hints are wanted.

use std::path::{Path, PathBuf};

use moddb::ModuleEntry;
use moddb::config::Blacklist;
use modfile::ModuleName;
use modhint::users::Users;
use modkernel::{KernelOps, Sysfs};
use modload::{Cause, LoadFailure, Loaded};
use rustix::io::Errno;

use crate::context::Run;
use crate::diagnose::facts::{FileFacts, SystemFacts};
use crate::diagnose::{self, blacklist, builtin, command, directory, present};
use crate::paths;

/// What can be found out about a failure.
pub(crate) fn of_failure(run: &Run<'_>, failure: &LoadFailure) -> Vec<String> {
    match &failure.cause {
        Cause::File { path, error } => {
            if let Some(hint) = missing_file(path, error.errno()) {
                return vec![hint];
            }
            let file = FileFacts::gather(error.errno(), &failure.module, path, &run.db, run.places);
            let system = SystemFacts::gather(run.places, &run.places.sys_module());
            diagnose::refused_file(&file, &system)
        }
        Cause::Command { line, origin } => vec![command::hint(origin, line)],
        Cause::CommandWithinItself { origin } => vec![format!("the command stands in {origin}")],
        Cause::NoFile | Cause::Present => Vec::new(),
    }
}

/// A module that is there already, or part of the kernel, does not look at parameters given now.
pub(crate) fn about_present(run: &Run<'_>, entry: &ModuleEntry, params: &[u8], is_builtin: bool) {
    let reporter = &run.session.reporter;
    if params.is_empty() || !reporter.wants_hints() {
        return;
    }
    let hint = if is_builtin {
        builtin::hint(&entry.name, params)
    } else {
        present::hint(&entry.name, &given(&run.sysfs(), &entry.name, params))
    };
    if let Some(hint) = hint {
        reporter.hint(hint);
    }
}

/// A name may be unknown because the whole module directory is.
pub(crate) fn about_directory(run: &Run<'_>) {
    if !run.session.reporter.wants_hints() {
        return;
    }
    let path = run.db.directory().path();
    let installed = directory::installed(path.parent().unwrap_or(path));
    if let Some(hint) = directory::hint(path, path.is_dir(), run.is_running_release(), &installed) {
        run.session.reporter.hint(hint);
    }
}

/// With `-v`: a module that the blacklist keeps out.
pub(crate) fn about_kept_out(run: &Run<'_>, module: &ModuleName, line: &Blacklist) {
    if run.session.reporter.is_verbose() {
        run.session.reporter.hint(blacklist::kept_out(module, line));
    }
}

/// With `-v`: blacklisted modules that came in anyway.
pub(crate) fn about_blacklisted(run: &Run<'_>, loaded: &Loaded, target: &ModuleName) {
    if !run.session.reporter.is_verbose() {
        return;
    }
    for module in &loaded.inserted {
        if let Some(line) = run.db.config().blacklisted(module.as_bytes()) {
            run.session.reporter.hint(blacklist::loaded_anyway(module, line, module == target));
        }
    }
}

/// Who uses a module that stays.
pub(crate) fn about_users(run: &Run<'_>, module: &ModuleName, kernel: &dyn KernelOps) {
    let holders = kernel.holders(module).unwrap_or_default();
    if let Some(hint) = Users::gather(module, &holders, &paths::shown(run.places), &run.db).hint() {
        run.session.reporter.hint(hint);
    }
}

fn missing_file(path: &Path, errno: i32) -> Option<String> {
    let is_missing =
        errno == Errno::NOENT.raw_os_error() && matches!(rustix::fs::stat(path), Err(Errno::NOENT));
    is_missing.then(|| format!("{} is in the database but not there: run depmod", path.display()))
}

/// The parameters of a command line with what the kernel shows of them.
fn given(sysfs: &Sysfs, module: &ModuleName, params: &[u8]) -> Vec<present::Given> {
    let params = String::from_utf8_lossy(params).into_owned();
    let items = params.split_ascii_whitespace();
    items
        .map(|item| {
            let (name, wanted) = item.split_once('=').unwrap_or((item, ""));
            let name = name.replace('-', "_");
            let value = sysfs.parameter(module, name.as_bytes()).ok().flatten();
            let file = sysfs.directory(module).map(|directory| directory.join("parameters").join(&name));
            let is_writable = |file: &PathBuf| {
                std::fs::metadata(file).is_ok_and(|metadata| !metadata.permissions().readonly())
            };
            present::Given {
                wanted: wanted.to_owned(),
                present: value.map(|value| String::from_utf8_lossy(&value).into_owned()),
                writable: file.filter(is_writable).map(|file| file.display().to_string()),
                name,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_gone_is_called_missing() {
        let directory = tempfile::tempdir().unwrap();
        let [gone, there] = ["gone.ko", "there.ko"].map(|name| directory.path().join(name));
        std::fs::write(&there, "").unwrap();
        let noent = Errno::NOENT.raw_os_error();
        assert!(
            missing_file(&gone, noent)
                .is_some_and(|hint| hint.ends_with("gone.ko is in the database but not there: run depmod"))
        );
        // The kernel says the same of a module with an unknown symbol or parameter.
        assert_eq!(missing_file(&there, noent), None);
        assert_eq!(missing_file(&gone, Errno::INVAL.raw_os_error()), None);
    }
}
