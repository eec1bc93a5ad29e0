//! Carries out the loading of one module.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use moddb::config::Origin;
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, ModuleState};
use rustix::io::Errno;

use super::Execution;
use super::shell::{Ended, substitute};
use crate::messages;
use crate::plan::{InsertAction, InsertPlan, InsertStep, Role};
use crate::show;

/// What a loading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Modules that came in by this process.
    pub inserted: Vec<ModuleName>,
    /// Modules of the plan that were there already, or came in by a command or by another process.
    pub present: Vec<ModuleName>,
}

/// Why a loading failed.
#[derive(Debug)]
pub struct InsertFailure {
    /// The module that failed: the wanted one, or one that it depends on.
    pub module: ModuleName,
    /// Its parameters.
    pub params: Vec<u8>,
    /// What went wrong.
    pub cause: Cause,
    /// Modules that had come in by this process before.
    pub inserted: Box<[ModuleName]>,
}

/// What went wrong with one module.
#[derive(Debug)]
pub enum Cause {
    /// Its file was not read, or the kernel refused it.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: InsertError,
    },
    /// Its install command failed.
    Command {
        /// The shell's line, as configured.
        line: Vec<u8>,
        /// Where it is configured.
        origin: Origin,
    },
    /// Its install command is running already, around this process.
    CommandWithinItself {
        /// Where it is configured.
        origin: Origin,
    },
    /// It is only a name.
    NoFile,
    /// It is there already and should not be.
    Present,
}

impl InsertFailure {
    /// The error number by which it is reported.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match &self.cause {
            Cause::File { error, .. } => return error.errno(),
            Cause::Command { .. } | Cause::CommandWithinItself { .. } => Errno::INVAL,
            Cause::NoFile => Errno::NOENT,
            Cause::Present => Errno::EXIST,
        };
        errno.raw_os_error()
    }
}

/// How often a module is tried again that another process is loading or unloading at the same time.
const RETRIES: usize = 3;

impl Execution<'_> {
    /// Whether a module is in the kernel, so that there is nothing to load. One that is coming is not: the
    /// kernel makes whoever loads it a second time wait for the first.
    pub fn is_loaded(&self, module: &ModuleName, is_builtin: bool) -> bool {
        self.mode.asks_kernel() && (is_builtin || matches!(self.kernel.state(module), Ok(ModuleState::Live)))
    }

    /// Loads the modules of a plan.
    ///
    /// # Errors
    /// The first failure of a module that the target cannot do without.
    pub fn insert(&mut self, plan: &InsertPlan, flags: InsertFlags) -> Result<Loaded, InsertFailure> {
        let mut loaded = Loaded::default();
        for step in &plan.steps {
            let is_present = self.is_loaded(&step.module, step.is_builtin);
            let done = if is_present { Err(Cause::Present) } else { self.step(step, flags) };
            match done {
                Ok(()) if matches!(step.action, InsertAction::File(_)) => {
                    loaded.inserted.push(step.module.clone());
                }
                Ok(()) => loaded.present.push(step.module.clone()),
                Err(Cause::Present) if step.is_builtin && !self.first_time => {}
                Err(Cause::Present) if !(self.first_time && step.role == Role::Target) => {
                    loaded.present.push(step.module.clone());
                }
                Err(_) if step.role == Role::Wished => {}
                Err(cause) => {
                    let (module, params) = (step.module.clone(), step.params.clone());
                    return Err(InsertFailure { module, params, cause, inserted: loaded.inserted.into() });
                }
            }
        }
        Ok(loaded)
    }

    fn step(&mut self, step: &InsertStep, flags: InsertFlags) -> Result<(), Cause> {
        if let Some(line) = show::insertion(step) {
            self.show(&line);
        }
        match &step.action {
            InsertAction::Command { line, origin } => self.command(step, line, origin),
            InsertAction::File(path) => self.file(step, path, flags),
            InsertAction::Builtin => Ok(()),
            InsertAction::NoFile if self.mode.is_real() => {
                self.reporter.error(messages::no_file(&step.module));
                Err(Cause::NoFile)
            }
            InsertAction::NoFile => Ok(()),
        }
    }

    fn command(&mut self, step: &InsertStep, line: &[u8], origin: &Origin) -> Result<(), Cause> {
        let failed = || Cause::Command { line: line.to_vec(), origin: origin.clone() };
        if self.mode.is_real() && self.commands.is_running(&step.module) {
            self.reporter.error(messages::command_within_itself(&step.module, line));
            return Err(Cause::CommandWithinItself { origin: origin.clone() });
        }
        let command = substitute(line, &step.params);
        match self.shell(&command, &step.module) {
            Ended::Well => Ok(()),
            Ended::Badly(code) => {
                self.reporter.error(messages::command_failed(&command, &step.module, code));
                Err(failed())
            }
            Ended::NotStarted(error) => {
                self.reporter.error(messages::command_not_started("install", &command, &step.module, &error));
                Err(failed())
            }
        }
    }

    fn file(&mut self, step: &InsertStep, path: &Path, flags: InsertFlags) -> Result<(), Cause> {
        let failed = |error| Cause::File { path: path.to_owned(), error };
        // A NUL would end the parameters for the kernel.
        let params = CString::new(step.params.as_slice()).map_err(|_| failed(Errno::INVAL.into()))?;
        let mut retries = 0;
        loop {
            match self.kernel.insert(path, &params, flags) {
                Ok(()) => return Ok(()),
                Err(error) if error.is(Errno::EXIST) => return Err(Cause::Present),
                // Another process was loading it and failed, or is unloading it: the kernel says what it
                // thinks of this attempt when it is made again.
                Err(error) if error.is(Errno::BUSY) && retries < RETRIES => retries += 1,
                Err(error) => {
                    if let InsertError::Decompress(reason) = &error {
                        self.reporter.error(reason.to_string());
                    }
                    return Err(failed(error));
                }
            }
        }
    }
}
