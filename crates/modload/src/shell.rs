//! Runs commands of the configuration. All tools use this code, so that they behave alike.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use modkernel::KernelOps;

use crate::command::{Command, CommandError};
use crate::environment::CommandEnvironment;
use crate::observer::{Event, Observer};

impl Command<'_> {
    /// Runs the command and waits for its end.
    ///
    /// # Errors
    /// It was not started, or ended with another status than 0. The observer has seen it.
    // compat: a command that was killed by a signal counts as one that succeeded (cases modprobe/install-run-killed,
    // modprobe/remove-command-killed).
    pub fn run(
        &self,
        kernel: &mut dyn KernelOps,
        environment: &CommandEnvironment,
        observer: &dyn Observer,
    ) -> Result<(), CommandError> {
        observer.event(&Event::Command(self));
        let variables = environment.variables(self.module);
        let variables: Vec<(&str, &OsStr)> =
            variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let error = match kernel.run_shell(OsStr::from_bytes(&self.line), &variables) {
            Ok(status) => match status.code() {
                None | Some(0) => return Ok(()),
                Some(code) => CommandError::Status(code),
            },
            Err(error) => CommandError::NotStarted(error),
        };
        observer.event(&Event::CommandFailed { command: self, error: &error });
        Err(error)
    }
}
