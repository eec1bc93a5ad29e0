//! Loading: finds what operands mean, plans, and has the plans carried out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modcli::{Ended, Exit};
use moddb::{FoundIn, ModuleEntry};
use modfile::ModuleName;
use modkernel::{DryRun, KernelOps, Native, Sysfs};
use rustix::io::Errno;

use crate::caller::{self, Caller};
use crate::diagnose::facts::{FileFacts, SystemFacts};
use crate::diagnose::{self, blacklist, builtin, command, directory, present};
use crate::execute::{Cause, Execution, InsertFailure, Loaded};
use crate::messages;
use crate::plan::{self, Target};
use crate::request::{AfterFailure, Insert, Wanted, absolute};
use crate::tool::{Run, running_release};

/// Loads what is wanted.
///
/// # Errors
/// A FATAL message was told.
pub(crate) fn run(run: &Run<'_>, request: &Insert) -> Result<Exit, Ended> {
    let mut native = Native::of_system();
    let mut dry;
    let kernel: &mut dyn KernelOps = if request.mode.is_real() {
        &mut native
    } else {
        dry = DryRun(native);
        &mut dry
    };
    let mut execution = Execution {
        kernel,
        mode: request.mode,
        after_failure: request.after_failure,
        first_time: request.first_time,
        reporter: &run.session.reporter,
        output: &run.session.output,
        commands: &run.commands,
        pause: &std::thread::sleep,
    };
    let mut exit = Exit::Success;
    for wanted in &request.modules {
        if one(run, request, wanted, &mut execution)? == Exit::Failure {
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// Loads what one operand means. Of several modules the last one decides.
fn one(
    run: &Run<'_>,
    request: &Insert,
    wanted: &Wanted,
    execution: &mut Execution<'_>,
) -> Result<Exit, Ended> {
    let Some(found) = run.find(&wanted.operand, request.after_failure)? else { return Ok(Exit::Failure) };
    let mut exit = Exit::Success;
    for entry in &found {
        exit = Exit::failed_if(load(run, request, wanted, entry, execution).is_err());
    }
    Ok(exit)
}

/// The failure was told.
struct Failed;

fn load(
    run: &Run<'_>,
    request: &Insert,
    wanted: &Wanted,
    entry: &ModuleEntry,
    execution: &mut Execution<'_>,
) -> Result<(), Failed> {
    let is_builtin = run.is_builtin(entry);
    if execution.is_loaded(&entry.name, is_builtin) {
        run.hint_about_present(entry, &wanted.params, is_builtin);
        if request.first_time {
            let (module, params) = (entry.name.clone(), wanted.params.clone());
            return Err(fail(run, entry, &InsertFailure { module, params, cause: Cause::Present }));
        }
        return Ok(());
    }
    // compat: dependencies and softdeps are never looked up in the blacklist, and a module named directly only
    // with -b.
    if entry.alias.is_some() || request.use_blacklist {
        if let Some(line) = run.db.config().blacklisted(entry.name.as_bytes()) {
            if run.session.reporter.is_verbose() {
                run.session.reporter.hint(blacklist::kept_out(&entry.name, line));
            }
            return Ok(());
        }
    }
    let target = Target { entry, params: &wanted.params, ignore_commands: request.ignore_commands };
    let plan = plan::insert(&run.db, &target);
    run.report_tables();
    for note in &plan.notes {
        run.session.reporter.error(messages::note(note));
    }
    match execution.insert(&plan, request.flags) {
        Ok(loaded) => {
            run.name_blacklisted(&loaded, &entry.name);
            Ok(())
        }
        Err(failure) => Err(fail(run, entry, &failure)),
    }
}

fn fail(run: &Run<'_>, entry: &ModuleEntry, failure: &InsertFailure) -> Failed {
    let reporter = &run.session.reporter;
    reporter.error(messages::could_not_insert(&entry.name, failure.errno()));
    if reporter.wants_hints() {
        for hint in run.hints(failure) {
            reporter.hint(hint);
        }
    }
    Failed
}

impl Run<'_> {
    /// Whether a module is part of the kernel itself. A file given by its path is not.
    pub fn is_builtin(&self, entry: &ModuleEntry) -> bool {
        entry.is_builtin() || entry.found_in != FoundIn::Path && self.db.is_builtin(&entry.name)
    }

    /// The modules that an operand means; `None`, and told, if there is none.
    ///
    /// # Errors
    /// It was told as FATAL.
    pub fn find(
        &self,
        operand: &OsStr,
        after_failure: AfterFailure,
    ) -> Result<Option<Vec<ModuleEntry>>, Ended> {
        if self.caller == Caller::Kernel && !caller::is_safe(operand) {
            self.refuse_unknown(operand, after_failure)?;
            return Ok(None);
        }
        if is_path(operand) {
            let path: PathBuf = absolute(operand, || std::env::current_dir().unwrap_or_default());
            if let Err(error) = std::fs::metadata(&path) {
                self.refuse(after_failure, messages::no_such_path(operand, &error))?;
                return Ok(None);
            }
            return Ok(Some(vec![self.db.at_path(&path)]));
        }
        let found = self.db.resolve(operand.as_bytes());
        if !found.is_empty() {
            return Ok(Some(found));
        }
        self.refuse_unknown(operand, after_failure)?;
        Ok(None)
    }

    fn refuse_unknown(&self, operand: &OsStr, after_failure: AfterFailure) -> Result<(), Ended> {
        let refused = self.refuse(after_failure, messages::not_found_in(operand, self.db.directory().path()));
        if self.session.reporter.wants_hints() {
            let path = self.db.directory().path();
            let is_running = self.release == running_release();
            let installed = directory::installed(path.parent().unwrap_or(&self.places.installed));
            if let Some(hint) = directory::hint(path, path.is_dir(), is_running, &installed) {
                self.session.reporter.hint(hint);
            }
        }
        refused
    }

    /// What can be found out about a failure.
    fn hints(&self, failure: &InsertFailure) -> Vec<String> {
        match &failure.cause {
            Cause::File { path, error } => {
                if let Some(hint) = missing_file(path, error.errno()) {
                    return vec![hint];
                }
                let native = Native::of_system();
                let file = FileFacts::gather(error.errno(), &failure.module, path, &self.db, &self.places);
                let system = SystemFacts::gather(&self.places, native.sysfs().modules());
                diagnose::refused_file(&file, &system)
            }
            Cause::Command { line, origin } => vec![command::hint(origin, line)],
            Cause::CommandWithinItself { origin } => {
                vec![format!("the command stands in {origin}")]
            }
            Cause::NoFile | Cause::Present => Vec::new(),
        }
    }

    /// A module that is there already, or part of the kernel, does not look at parameters given now.
    fn hint_about_present(&self, entry: &ModuleEntry, params: &[u8], is_builtin: bool) {
        let reporter = &self.session.reporter;
        if params.is_empty() || !reporter.wants_hints() {
            return;
        }
        let hint = if is_builtin {
            builtin::hint(&entry.name, params)
        } else {
            let native = Native::of_system();
            present::hint(&entry.name, &given(native.sysfs(), &entry.name, params))
        };
        if let Some(hint) = hint {
            reporter.hint(hint);
        }
    }

    /// With `-v`: blacklisted modules that came in all the same.
    fn name_blacklisted(&self, loaded: &Loaded, target: &ModuleName) {
        if !self.session.reporter.is_verbose() {
            return;
        }
        for module in &loaded.inserted {
            if let Some(line) = self.db.config().blacklisted(module.as_bytes()) {
                self.session.reporter.hint(blacklist::loaded_anyway(module, line, module == target));
            }
        }
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

/// Whether an operand is the path of a file and not a name.
fn is_path(operand: &OsStr) -> bool {
    let operand = operand.as_bytes();
    operand.starts_with(b"/") || operand.starts_with(b"./")
}
