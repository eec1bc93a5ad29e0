//! Carries out the unloading of one module and of what goes with it.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use rustix::io::Errno;

use super::{Execution, Presence, Start};
use crate::command::Command;
use crate::observer::{Event, Refusal};
use crate::plan::{Came, UnloadPlan};
use crate::scripts::Change;

/// How modules are unloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How long to wait for users to go away.
    pub wait: Option<Duration>,
    /// How the kernel is asked.
    pub flags: RemoveFlags,
}

/// Whether a module is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is, or need not be.
    Gone,
    /// It is not; the observer knows why.
    Stays,
}

/// The observer asked to skip the rest of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rest of the plan was left")]
pub struct Stopped;

impl Execution<'_> {
    /// Unloads a module and what goes with it.
    ///
    /// # Errors
    /// The observer ended it.
    pub fn unload(&mut self, plan: &UnloadPlan, manner: Manner) -> Result<Outcome, Stopped> {
        let asks_kernel = self.terms.presence == Presence::Counts;
        if asks_kernel && plan.command.is_none() {
            if plan.is_builtin {
                return match plan.came {
                    Came::Along => Ok(Outcome::Gone),
                    Came::Named => self.refuse(&plan.module, Refusal::Builtin),
                };
            }
            if self.is_absent(&plan.module) {
                return match self.terms.first_time {
                    false => Ok(Outcome::Gone),
                    true => self.refuse(&plan.module, Refusal::Absent),
                };
            }
        }
        for softdep in &plan.after {
            self.unload(softdep, manner)?;
        }
        for holder in &plan.holders {
            if self.unload(holder, manner)? == Outcome::Stays {
                return Ok(Outcome::Stays);
            }
        }
        match &plan.command {
            Some((line, _)) => {
                if self.remove_by_command(&plan.module, line)? == Outcome::Stays {
                    return Ok(Outcome::Stays);
                }
            }
            None => {
                // It was a dependency, and went with the last of its holders.
                let went_along = !plan.holders.is_empty() && self.is_absent(&plan.module);
                if asks_kernel && went_along {
                    return self.remove_before(plan, manner);
                }
                if asks_kernel && manner.wait.is_none() && self.is_used(&plan.module) {
                    return self.refuse(&plan.module, Refusal::InUse);
                }
                if self.delete_and_report(&plan.module, manner)? == Outcome::Stays {
                    return Ok(Outcome::Stays);
                }
                self.remove_unused(&plan.dependencies, manner);
            }
        }
        self.remove_before(plan, manner)
    }

    fn remove_before(&mut self, plan: &UnloadPlan, manner: Manner) -> Result<Outcome, Stopped> {
        for softdep in &plan.before {
            self.unload(softdep, manner)?;
        }
        Ok(Outcome::Gone)
    }

    fn is_absent(&self, module: &ModuleName) -> bool {
        matches!(self.kernel.state(module), Ok(ModuleState::Absent))
    }

    /// Reports to the observer why a module stays; it decides whether the rest of the plan is tried.
    fn refuse(&self, module: &ModuleName, refusal: Refusal) -> Result<Outcome, Stopped> {
        match self.observer.refused(module, refusal) {
            ControlFlow::Continue(()) => Ok(Outcome::Stays),
            ControlFlow::Break(()) => Err(Stopped),
        }
    }

    fn is_used(&self, module: &ModuleName) -> bool {
        matches!(self.kernel.use_count(module), Ok(Some(count)) if count > 0)
    }

    fn remove_by_command(&mut self, module: &ModuleName, line: &[u8]) -> Result<Outcome, Stopped> {
        match Command::remove(module, line).run(self.kernel, self.commands, self.observer) {
            Ok(()) => Ok(Outcome::Gone),
            Err(_) => self.refuse(module, Refusal::Command),
        }
    }

    fn delete_and_report(&mut self, module: &ModuleName, manner: Manner) -> Result<Outcome, Stopped> {
        match self.delete(module, manner) {
            Ok(()) => Ok(Outcome::Gone),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => match self.terms.first_time {
                false => Ok(Outcome::Gone),
                true => self.refuse(module, Refusal::Absent),
            },
            Err(_) => Ok(Outcome::Stays),
        }
    }

    /// The unloading of one module, seen by the observer.
    fn delete(&mut self, module: &ModuleName, manner: Manner) -> io::Result<()> {
        let begun = match self.begin(Change::Remove, module) {
            Ok(Start::Now(begun)) => begun,
            Ok(Start::Made) => return Ok(()),
            Err(refused) => return Err(io::Error::other(refused)),
        };
        self.observer.event(&Event::Removing(module));
        let result = self.delete_patiently(module, manner);
        if let Err(error) = &result {
            self.observer.event(&Event::NotRemoved { module, error });
        }
        self.end(begun, result.is_ok());
        result
    }

    /// Tries again while the module is in use, after growing pauses, until the time is up.
    fn delete_patiently(&mut self, module: &ModuleName, manner: Manner) -> io::Result<()> {
        let mut left = manner.wait.unwrap_or_default();
        let mut pause = Duration::from_millis(1);
        loop {
            let result = self.kernel.remove(module, manner.flags);
            let in_use = matches!(&result, Err(error) if Errno::from_io_error(error) == Some(Errno::AGAIN));
            if !in_use || left.is_zero() {
                return result;
            }
            let now = pause.min(left);
            (self.pause)(now);
            left = left.saturating_sub(now);
            pause = pause.saturating_mul(2);
        }
    }

    /// Unloads the dependencies that nothing uses any more, as long as one goes: each one gone may be the last
    /// user of another. In the order of loading first, because that is the order in which kmod, with its single
    /// pass, unloads those that it does.
    // compat: neither softdeps nor remove commands count here, and a failure is reported and otherwise ignored (case
    // modprobe/remove-command-of-dependency).
    fn remove_unused(&mut self, dependencies: &[ModuleName], manner: Manner) {
        let mut left: Vec<&ModuleName> = dependencies.iter().collect();
        loop {
            let before = left.len();
            left.retain(|module| {
                let is_unused = matches!(self.kernel.use_count(module), Ok(Some(0)));
                if is_unused {
                    // The observer saw it.
                    let _ = self.delete(module, Manner { wait: None, ..manner });
                }
                !is_unused
            });
            if left.len() == before {
                return;
            }
        }
    }
}
