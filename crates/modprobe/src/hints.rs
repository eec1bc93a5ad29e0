//! Hints: looks for the facts behind what went wrong, or has no effect, and says what is found.
//!
//! What makes a hint is decided in [`modhint`]; the reporter asks for these only when hints are wanted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use moddb::ModuleEntry;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modfile::ModuleName;
use modhint::causes::blacklist::Because;
use modhint::causes::directory::DirectoryFacts;
use modhint::causes::{self, blacklist, builtin, command, directory, parameter, present, privilege, unknown};
use modhint::declared::Declared;
use modhint::facts::{Refused, SystemFacts};
use modhint::users::Users;
use modkernel::{KernelOps, proc_modules};
use modload::plan::{Action, LoadPlan, Role, UnloadPlan};
use modload::{Cause, Effect, LoadFailure, Loaded};

use crate::context::Run;
use crate::request::Load;

/// What can be found out about a failure to load what an operand means.
pub(crate) fn of_failure(
    run: &Run<'_>,
    request: &Load,
    operand: &OsStr,
    entry: &ModuleEntry,
    failure: &LoadFailure,
) -> Vec<String> {
    let mut hints = Vec::new();
    if failure.module != entry.name {
        hints.push(format!("{} needs {}, which could not be loaded", entry.name, failure.module));
    }
    match &failure.cause {
        Cause::File { path, error } => {
            let refused = Refused {
                errno: error.errno(),
                module: &failure.module,
                path,
                params: &failure.params,
                flags: request.flags,
            };
            hints.extend(causes::refused(&refused, run.places, &run.db));
        }
        Cause::Command { line, origin } => {
            hints.push(command::hint(origin, line));
            hints.extend(command::voided(run.db.config(), &failure.module));
        }
        Cause::CommandWithinItself { origin } => hints.push(format!("the command stands in {origin}")),
        Cause::NoFile => hints.extend(misleading_alias(run.db.config(), operand, entry)),
        Cause::Present | Cause::Forbidden(_) | Cause::Scripts => {}
    }
    hints
}

/// An alias line that leads to what is no module, such as `alias NAME off`.
fn misleading_alias(config: &Config, operand: &OsStr, entry: &ModuleEntry) -> Option<String> {
    let name = modfile::name::normalize_alias(operand.as_bytes()).ok()?;
    let alias = config.aliases_of(&name).find(|alias| alias.module == entry.name.as_bytes())?;
    Some(format!(
        "{} makes {} an alias of {}, which is no module here",
        alias.origin,
        String::from_utf8_lossy(&alias.pattern),
        entry.name
    ))
}

/// A module that is there already, or part of the kernel, does not look at parameters given now.
pub(crate) fn about_present(
    run: &Run<'_>,
    entry: &ModuleEntry,
    params: &[u8],
    is_builtin: bool,
) -> Vec<String> {
    if params.is_empty() {
        return Vec::new();
    }
    if is_builtin {
        return builtin::hint(&entry.name, params).into_iter().collect();
    }
    let declared = entry.path.as_deref().and_then(|path| Declared::of_file(path).ok());
    // What the module does not have stays nothing.
    if let Some(declared) = &declared {
        let unknown = unknown_parameters(run, &entry.name, params, declared);
        if !unknown.is_empty() {
            return unknown;
        }
    }
    let given = present::given(&run.sysfs(), &entry.name, params, declared.as_ref());
    present::hint(&entry.name, &given).into_iter().collect()
}

fn unknown_parameters(run: &Run<'_>, module: &ModuleName, params: &[u8], declared: &Declared) -> Vec<String> {
    let is_module = |name: &[u8]| run.db.resolve(name).iter().any(|entry| entry.path.is_some());
    parameter::unknown(module, params, declared, &is_module)
}

/// A name may be unknown because the whole module directory is, or since it is mistyped.
pub(crate) fn about_unknown(run: &Run<'_>, name: &OsStr) -> Vec<String> {
    let own = ModuleDir::new("".as_ref(), &run.release);
    let is_running = run.is_running_release() && own.path() == run.db.directory().path();
    let sysfs = run.sysfs();
    let mut hints = unknown::hints(name.as_bytes(), &run.db, is_running.then_some(&sysfs));
    if hints.is_empty() {
        let running = is_running.then(|| run.running.to_string_lossy().into_owned());
        hints.extend(directory::hint(&DirectoryFacts::gather(&run.db, run.places, running)));
    }
    hints
}

/// Whether there may be something to say of a plan that went well: most have neither, and whether hints are wanted
/// at all is a question to the kernel.
pub(crate) fn may_be_about_loaded(run: &Run<'_>, plan: &LoadPlan) -> bool {
    let config = run.db.config();
    let mut steps = plan.steps.iter();
    steps.any(|step| {
        !step.params.is_empty()
            || matches!(step.action, Action::Command { .. })
            || config.blacklisted(step.module.as_bytes()).is_some()
    })
}

/// What is to be said of a plan that went well: blacklisted modules in it, install lines that do not count, and
/// parameters that modules do not have.
pub(crate) fn about_loaded(run: &Run<'_>, request: &Load, plan: &LoadPlan, loaded: &Loaded) -> Vec<String> {
    let is_rehearsed = request.how.terms.effect == Effect::Rehearsed;
    let mut hints = Vec::new();
    for step in plan.steps.iter().filter(|step| matches!(step.action, Action::Command { .. })) {
        hints.extend(command::voided(run.db.config(), &step.module));
    }
    for step in plan.steps.iter().filter(|step| loaded.inserted.contains(&step.module)) {
        let module = &step.module;
        if let Some(line) = run.db.config().blacklisted(module.as_bytes()) {
            let because = match step.role {
                Role::Target => Because::OfItsName,
                Role::Required => Because::OfADependency,
                Role::Wished => Because::OfASoftdep,
            };
            hints.push(blacklist::loaded_anyway(module, line, because, is_rehearsed));
        }
        if let Action::File(path) = &step.action
            && !step.params.is_empty()
            && let Ok(declared) = Declared::of_file(path)
        {
            hints.extend(unknown_parameters(run, module, &step.params, &declared));
        }
    }
    hints
}

/// Why a module stays that was to be unloaded.
pub(crate) fn about_stay(run: &Run<'_>, plan: &UnloadPlan, kernel: &dyn KernelOps) -> Vec<String> {
    let module = used(plan, kernel).unwrap_or(&plan.module);
    let holders = kernel.holders(module).unwrap_or_default();
    if is_permanent(run, module) {
        return vec![format!(
            "{module} cannot be unloaded, it has no code for that: it stays until the next boot"
        )];
    }
    if let Some(hint) = Users::gather(module, &holders, run.places, &run.db).hint() {
        return vec![hint];
    }
    privilege::of_refusal(&SystemFacts::gather(run.places)).into_iter().collect()
}

/// Whether the kernel marks a module as one that it never unloads.
fn is_permanent(run: &Run<'_>, module: &ModuleName) -> bool {
    let loaded = std::fs::read(run.places.proc.join("modules")).unwrap_or_default();
    proc_modules::parse(&loaded).any(|loaded| loaded.name == *module && loaded.permanent)
}

/// The first module of a plan that somebody uses: there its removal ended.
fn used<'p>(plan: &'p UnloadPlan, kernel: &dyn KernelOps) -> Option<&'p ModuleName> {
    let before = plan.after.iter().chain(&plan.holders).find_map(|plan| used(plan, kernel));
    let itself = || matches!(kernel.use_count(&plan.module), Ok(Some(count)) if count > 0);
    before.or_else(|| itself().then_some(&plan.module))
}
