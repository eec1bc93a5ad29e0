//! Carries out the steps of a load.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use moddb::config::Origin;
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, ModuleState};
use modstate::rules::Forbidden;
use rustix::io::Errno;

use super::{Effect, Execution, Presence, Start};
use crate::command::Command;
use crate::observer::Event;
use crate::plan::{Action, LoadPlan, Prohibition, Role, Step};
use crate::scripts::{Change, Refused};

/// What a loading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Modules that this process loaded.
    pub inserted: Vec<ModuleName>,
    /// Modules of the plan that were there already, or were loaded by a command or by another process.
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
    /// Modules that this process had loaded before that.
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
    /// Its commands in modutils.d failed.
    #[error("its commands in modutils.d failed")]
    Scripts,
    /// It may not be loaded.
    #[error("{} forbids it", .0.line)]
    Forbidden(Box<Forbidden>),
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
            Cause::Command { .. } | Cause::CommandWithinItself { .. } | Cause::Scripts => Errno::INVAL,
            Cause::NoFile => Errno::NOENT,
            Cause::Present => Errno::EXIST,
            Cause::Forbidden(_) => Errno::PERM,
        };
        errno.raw_os_error()
    }
}

/// How long a module is waited for that another process is unloading. Most go within milliseconds, some wait
/// seconds for their device.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The first pause of such a wait; each is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);
/// How often the kernel is asked again when it calls a module busy that is not being unloaded.
const RETRIES: usize = 3;
/// How often a plan is started again because one of its modules went meanwhile.
const ROUNDS: usize = 5;

/// Whether a plan was carried out, or has to be started again.
enum Round {
    Done,
    Again,
}

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
        self.check_forbidden(plan)?;
        let mut loaded = Loaded::default();
        let mut left = ROUNDS;
        while let Round::Again = self.round(plan, flags, left > 0, &mut loaded)? {
            left -= 1;
        }
        loaded.present.retain(|module| !loaded.inserted.contains(module));
        Ok(loaded)
    }

    /// Nothing of a plan is done if a module that it needs is not there and may not be loaded.
    fn check_forbidden(&self, plan: &LoadPlan) -> Result<(), LoadFailure> {
        let needed = plan.forbidden.iter().filter(|prohibition| prohibition.role != Role::Wished);
        match needed.into_iter().find(|prohibition| !self.is_loaded(&prohibition.module, false)) {
            None => Ok(()),
            Some(Prohibition { module, by, .. }) => Err(LoadFailure {
                module: module.clone(),
                params: Vec::new(),
                cause: Cause::Forbidden(Box::new(by.clone())),
                inserted: Box::default(),
            }),
        }
    }

    /// Carries out what is left of a plan. With `may_repeat`, a failure because a module went meanwhile does not
    /// count yet.
    fn round(
        &mut self,
        plan: &LoadPlan,
        flags: InsertFlags,
        may_repeat: bool,
        loaded: &mut Loaded,
    ) -> Result<Round, LoadFailure> {
        loaded.present.clear();
        for (number, step) in plan.steps.iter().enumerate() {
            let is_present = self.is_loaded(&step.module, step.is_builtin);
            let before = plan.steps.get(..number).filter(|_| may_repeat).unwrap_or_default();
            let done = if is_present { Err(Cause::Present) } else { self.step(step, before, flags) };
            match done {
                Ok(Round::Again) => return Ok(Round::Again),
                Ok(Round::Done) if matches!(step.action, Action::File(_)) => {
                    if !loaded.inserted.contains(&step.module) {
                        loaded.inserted.push(step.module.clone());
                    }
                }
                Ok(Round::Done) => loaded.present.push(step.module.clone()),
                // This process loaded it in an earlier round.
                Err(Cause::Present) if loaded.inserted.contains(&step.module) => {}
                Err(Cause::Present) if step.is_builtin && !self.terms.first_time => {}
                Err(Cause::Present) if !(self.terms.first_time && step.role == Role::Target) => {
                    loaded.present.push(step.module.clone());
                }
                Err(_) if step.role == Role::Wished => {}
                Err(cause) => {
                    let (module, params) = (step.module.clone(), step.params.clone());
                    let inserted = std::mem::take(&mut loaded.inserted).into();
                    return Err(LoadFailure { module, params, cause, inserted });
                }
            }
        }
        Ok(Round::Done)
    }

    fn step(&mut self, step: &Step, before: &[Step], flags: InsertFlags) -> Result<Round, Cause> {
        if let Action::File(path) = &step.action {
            let begun = match self.begin(Change::Install, &step.module) {
                Ok(Start::Now(begun)) => begun,
                Ok(Start::Made) => return Err(Cause::Present),
                Err(Refused) => return Err(Cause::Scripts),
            };
            self.observer.event(&Event::Step(step));
            let done = self.file(step, path, before, flags);
            self.end(begun, matches!(done, Ok(Round::Done)));
            return done;
        }
        self.observer.event(&Event::Step(step));
        match &step.action {
            Action::Command { line, origin } => self.command(step, line, origin).map(|()| Round::Done),
            Action::NoFile if self.terms.effect == Effect::Real => {
                self.observer.event(&Event::NoFile(&step.module));
                Err(Cause::NoFile)
            }
            Action::File(_) | Action::Builtin | Action::NoFile => Ok(Round::Done),
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

    fn file(
        &mut self,
        step: &Step,
        path: &Path,
        before: &[Step],
        flags: InsertFlags,
    ) -> Result<Round, Cause> {
        let failed = |error| Cause::File { path: path.to_owned(), error };
        // A NUL would end the parameters for the kernel.
        let params = CString::new(step.params.as_slice()).map_err(|_| failed(Errno::INVAL.into()))?;
        let (mut retries, mut waited) = (0, Duration::ZERO);
        loop {
            match self.kernel.insert(path, &params, flags) {
                Ok(()) => return Ok(Round::Done),
                Err(error) if error.is(Errno::EXIST) => return Err(Cause::Present),
                // Another process is unloading it.
                Err(error) if error.is(Errno::BUSY) && self.wait_while_going(&step.module, &mut waited) => {}
                // Another process was loading it and failed: the kernel judges this attempt when it
                // is made again.
                Err(error) if error.is(Errno::BUSY) && retries < RETRIES => retries += 1,
                // Its symbols are unknown because a module that was there when the plan looked has gone.
                Err(error) if error.is(Errno::NOENT) && self.has_lost(before) => return Ok(Round::Again),
                Err(error) => {
                    self.observer.event(&Event::NotInserted { module: &step.module, path, error: &error });
                    return Err(failed(error));
                }
            }
        }
    }

    /// Waits until a module is not being unloaded any more; says whether it was, and the wait was not too long.
    fn wait_while_going(&self, module: &ModuleName, waited: &mut Duration) -> bool {
        let mut pause = FIRST_PAUSE;
        let mut was_going = false;
        while *waited < LONGEST_WAIT && matches!(self.kernel.state(module), Ok(ModuleState::Going)) {
            was_going = true;
            (self.pause)(pause);
            *waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        was_going && *waited < LONGEST_WAIT
    }

    /// Whether one of the modules of these steps, which were present or loaded, is gone.
    fn has_lost(&self, steps: &[Step]) -> bool {
        let is_gone = |step: &Step| {
            matches!(step.action, Action::File(_)) && !self.is_loaded(&step.module, step.is_builtin)
        };
        self.terms.presence == Presence::Counts
            && steps.iter().filter(|step| step.role == Role::Required).any(is_gone)
    }
}
