//! Carries out the steps of a load.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use moddb::config::Origin;
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, ModuleState};
use rustix::io::Errno;

use super::{Effect, Execution, Presence};
use crate::command::Command;
use crate::observer::Event;
use crate::plan::{Action, LoadPlan, Role, Step};

/// What a loading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Modules that came in by this process.
    pub inserted: Vec<ModuleName>,
    /// Modules of the plan that were there already, or came in by a command or by another process.
    pub present: Vec<ModuleName>,
}

/// Why a loading failed.
#[derive(Debug, thiserror::Error)]
#[error("could not load {module}: {cause}")]
pub struct LoadFailure {
    /// The module that failed: the wanted one, or one that it depends on.
    pub module: ModuleName,
    /// Its parameters.
    pub params: Vec<u8>,
    /// What went wrong.
    #[source]
    pub cause: Cause,
    /// Modules that had come in by this process before.
    pub inserted: Box<[ModuleName]>,
}

/// What went wrong with one module.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Its file was not read, or the kernel refused it.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: InsertError,
    },
    /// Its install command failed.
    #[error("its install command failed ({origin})")]
    Command {
        /// The shell's line, as configured.
        line: Vec<u8>,
        /// Where it is configured.
        origin: Origin,
    },
    /// Its install command is running already, around this process.
    #[error("its install command calls for it again ({origin})")]
    CommandWithinItself {
        /// Where it is configured.
        origin: Origin,
    },
    /// It is only a name.
    #[error("it has no file")]
    NoFile,
    /// It is there already and should not be.
    #[error("it is loaded already")]
    Present,
}

impl LoadFailure {
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
        self.terms.presence == Presence::Counts
            && (is_builtin || matches!(self.kernel.state(module), Ok(ModuleState::Live)))
    }

    /// Loads the modules of a plan.
    ///
    /// # Errors
    /// The first failure of a module that the target cannot do without.
    pub fn load(&mut self, plan: &LoadPlan, flags: InsertFlags) -> Result<Loaded, LoadFailure> {
        let mut loaded = Loaded::default();
        for step in &plan.steps {
            let is_present = self.is_loaded(&step.module, step.is_builtin);
            let done = if is_present { Err(Cause::Present) } else { self.step(step, flags) };
            match done {
                Ok(()) if matches!(step.action, Action::File(_)) => {
                    loaded.inserted.push(step.module.clone());
                }
                Ok(()) => loaded.present.push(step.module.clone()),
                Err(Cause::Present) if step.is_builtin && !self.terms.first_time => {}
                Err(Cause::Present) if !(self.terms.first_time && step.role == Role::Target) => {
                    loaded.present.push(step.module.clone());
                }
                Err(_) if step.role == Role::Wished => {}
                Err(cause) => {
                    let (module, params) = (step.module.clone(), step.params.clone());
                    return Err(LoadFailure { module, params, cause, inserted: loaded.inserted.into() });
                }
            }
        }
        Ok(loaded)
    }

    fn step(&mut self, step: &Step, flags: InsertFlags) -> Result<(), Cause> {
        self.observer.event(&Event::Step(step));
        match &step.action {
            Action::Command { line, origin } => self.command(step, line, origin),
            Action::File(path) => self.file(step, path, flags),
            Action::NoFile if self.terms.effect == Effect::Real => {
                self.observer.event(&Event::NoFile(&step.module));
                Err(Cause::NoFile)
            }
            Action::Builtin | Action::NoFile => Ok(()),
        }
    }

    fn command(&mut self, step: &Step, line: &[u8], origin: &Origin) -> Result<(), Cause> {
        let Step { module, params, .. } = step;
        if self.terms.effect == Effect::Real && self.commands.is_running(module) {
            self.observer.event(&Event::CommandWithinItself { module, line });
            return Err(Cause::CommandWithinItself { origin: origin.clone() });
        }
        Command::install(module, line, params)
            .run(self.kernel, self.commands, self.observer)
            .map_err(|_| Cause::Command { line: line.to_vec(), origin: origin.clone() })
    }

    fn file(&mut self, step: &Step, path: &Path, flags: InsertFlags) -> Result<(), Cause> {
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
                    self.observer.event(&Event::NotInserted { module: &step.module, path, error: &error });
                    return Err(failed(error));
                }
            }
        }
    }
}
