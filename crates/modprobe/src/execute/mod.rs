//! Carries out plans: the only place of the tool that changes the kernel.
//!
//! A mode decides which kernel stands behind the plan and whether its state counts; nothing below asks whether
//! this is for real.

mod insert;
mod remove;
mod shell;

use std::time::Duration;

use modcli::{Output, Reporter};
use modkernel::KernelOps;

use crate::env::CommandEnvironment;
use crate::request::{AfterFailure, Mode};

pub use insert::{Cause, InsertFailure, Loaded};
pub use remove::{Manner, Outcome};

/// What is needed to carry out plans.
pub struct Execution<'a> {
    /// The kernel.
    pub kernel: &'a mut dyn KernelOps,
    /// What counts and what is shown.
    pub mode: Mode,
    /// Whether a failure ends the run.
    pub after_failure: AfterFailure,
    /// Whether a module that is there, or gone, already is an error.
    pub first_time: bool,
    /// Messages.
    pub reporter: &'a Reporter,
    /// Standard output.
    pub output: &'a Output,
    /// For commands of the configuration.
    pub commands: &'a CommandEnvironment,
    /// Lets time pass.
    pub pause: &'a dyn Fn(Duration),
}

impl Execution<'_> {
    fn show(&self, line: &[u8]) {
        if self.mode.shows() {
            self.output.show_line(line);
        }
    }
}
