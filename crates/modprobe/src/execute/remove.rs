//! Carries out the unloading of one module and of what goes with it.

use std::io;
use std::time::Duration;

use modcli::Ended as RunEnded;
use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use rustix::io::Errno;

use super::Execution;
use super::shell::{Ended, substitute};
use crate::messages;
use crate::plan::{Came, Removal};
use crate::request::AfterFailure;
use crate::show;

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
    /// It is not; the reason was told.
    Stays,
}

impl Execution<'_> {
    /// Unloads a module and what goes with it.
    ///
    /// # Errors
    /// A FATAL message was told, which ends the run.
    pub fn remove(&mut self, plan: &Removal, manner: Manner) -> Result<Outcome, RunEnded> {
        let asks_kernel = self.mode.asks_kernel();
        if asks_kernel && plan.command.is_none() {
            if plan.is_builtin {
                return match plan.came {
                    Came::Along => Ok(Outcome::Gone),
                    Came::Named => self.refuse(messages::is_builtin(&plan.module)),
                };
            }
            if self.is_absent(&plan.module) {
                return match self.first_time {
                    false => Ok(Outcome::Gone),
                    true => self.refuse(messages::is_absent(&plan.module)),
                };
            }
        }
        for softdep in &plan.after {
            self.remove(softdep, manner)?;
        }
        for holder in &plan.holders {
            if self.remove(holder, manner)? == Outcome::Stays {
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
                // It was a dependency that the last of its holders took along.
                let went_along = !plan.holders.is_empty() && self.is_absent(&plan.module);
                if asks_kernel && went_along {
                    return self.remove_before(plan, manner);
                }
                if asks_kernel && manner.wait.is_none() && self.is_used(&plan.module) {
                    return self.refuse(messages::is_in_use(&plan.module));
                }
                if self.delete_and_report(&plan.module, manner)? == Outcome::Stays {
                    return Ok(Outcome::Stays);
                }
                self.remove_unused(&plan.dependencies, manner);
            }
        }
        self.remove_before(plan, manner)
    }

    fn remove_before(&mut self, plan: &Removal, manner: Manner) -> Result<Outcome, RunEnded> {
        for softdep in &plan.before {
            self.remove(softdep, manner)?;
        }
        Ok(Outcome::Gone)
    }

    fn is_absent(&self, module: &ModuleName) -> bool {
        matches!(self.kernel.state(module), Ok(ModuleState::Absent))
    }

    /// Tells why a module stays: FATAL, or with `-a` a warning.
    fn refuse(&self, text: Vec<u8>) -> Result<Outcome, RunEnded> {
        match self.after_failure {
            AfterFailure::Stop => self.reporter.fatal(text)?,
            AfterFailure::GoOn => self.reporter.warning(text),
        }
        Ok(Outcome::Stays)
    }

    fn is_used(&self, module: &ModuleName) -> bool {
        matches!(self.kernel.use_count(module), Ok(Some(count)) if count > 0)
    }

    fn remove_by_command(&mut self, module: &ModuleName, line: &[u8]) -> Result<Outcome, RunEnded> {
        let command = substitute(line, b"");
        // compat: unlike an install command it is shown with the marker gone.
        self.show(&show::remove_command(&command));
        match self.shell(&command, module) {
            Ended::Well => Ok(Outcome::Gone),
            Ended::Badly(_) => self.refuse(messages::remove_command_failed(module)),
            Ended::NotStarted(error) => {
                self.reporter.error(messages::command_not_started("remove", &command, module, &error));
                self.refuse(messages::remove_command_failed(module))
            }
        }
    }

    fn delete_and_report(&mut self, module: &ModuleName, manner: Manner) -> Result<Outcome, RunEnded> {
        match self.delete(module, manner) {
            Ok(()) => Ok(Outcome::Gone),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => match self.first_time {
                false => Ok(Outcome::Gone),
                true => self.refuse(messages::is_absent(module)),
            },
            Err(_) => Ok(Outcome::Stays),
        }
    }

    /// Shows and does the unloading of one module; tells why it failed.
    fn delete(&mut self, module: &ModuleName, manner: Manner) -> io::Result<()> {
        self.show(&show::removal(module));
        let result = self.delete_patiently(module, manner);
        if let Err(error) = &result {
            self.reporter.error(messages::could_not_remove(module, error));
        }
        result
    }

    /// Tries again while the module is in use, after growing pauses, until the time is over.
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
    // compat: neither softdeps nor remove commands count here, and a failure is told and otherwise ignored.
    fn remove_unused(&mut self, dependencies: &[ModuleName], manner: Manner) {
        let mut left: Vec<&ModuleName> = dependencies.iter().collect();
        loop {
            let before = left.len();
            left.retain(|module| {
                let is_unused = matches!(self.kernel.use_count(module), Ok(Some(0)));
                if is_unused {
                    // Told already.
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
