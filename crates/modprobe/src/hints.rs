//! Hints: looks for the facts behind what went wrong, or has no effect, and reports what is found.
//!
//! What makes a hint is decided in [`modhint`]; nothing is looked for unless hints are wanted.

use moddb::ModuleEntry;
use moddb::config::Blacklist;
use modfile::ModuleName;
use modhint::causes::{self, blacklist, builtin, command, directory, present};
use modhint::declared::Declared;
use modhint::users::Users;
use modkernel::KernelOps;
use modload::{Cause, LoadFailure, Loaded};

use crate::context::Run;

/// What can be found out about a failure.
pub(crate) fn of_failure(run: &Run<'_>, failure: &LoadFailure) -> Vec<String> {
    match &failure.cause {
        Cause::File { path, error } => {
            causes::refused(error.errno(), &failure.module, path, run.places, &run.db)
        }
        Cause::Command { line, origin } => vec![command::hint(origin, line)],
        Cause::CommandWithinItself { origin } => vec![format!("the command stands in {origin}")],
        Cause::NoFile | Cause::Present | Cause::Forbidden(_) => Vec::new(),
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
        let declared = entry.path.as_deref().and_then(|path| Declared::of_file(path).ok());
        present::hint(&entry.name, &present::given(&run.sysfs(), &entry.name, params, declared.as_ref()))
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
    if let Some(hint) = Users::gather(module, &holders, run.places, &run.db).hint() {
        run.session.reporter.hint(hint);
    }
}
