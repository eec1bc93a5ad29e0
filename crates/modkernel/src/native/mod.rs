//! The kernel that this program runs on: sysfs and three system calls.

mod force;
mod insert;
pub mod script;
mod xz;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use modfile::ModuleName;
use rustix::io::Errno;

use crate::ops::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, RemoveFlags};
use crate::sysfs::Sysfs;

/// Where the kernel shows its modules.
const SYS_MODULE: &str = "/sys/module";
/// The shell of install and remove commands.
const SHELL: &str = "/bin/sh";

/// Flags of delete_module(2), which are those of open(2) on most architectures and by the kernel's headers.
const O_NONBLOCK: i32 = 0o4000;
const O_TRUNC: i32 = 0o1000;

/// The running kernel.
#[derive(Clone, Debug)]
pub struct Native {
    sysfs: Sysfs,
}

impl Native {
    /// The kernel of this system.
    #[must_use]
    pub fn of_system() -> Self {
        Self::seen_through(Sysfs::new(SYS_MODULE))
    }

    /// The running kernel, whose state is taken from another directory than the system's.
    #[must_use]
    pub fn seen_through(sysfs: Sysfs) -> Self {
        Self { sysfs }
    }

    /// What sysfs says beyond [`KernelOps`].
    #[must_use]
    pub fn sysfs(&self) -> &Sysfs {
        &self.sysfs
    }
}

impl KernelOps for Native {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.sysfs.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.sysfs.use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.sysfs.holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        insert::insert(&self.sysfs, path, params, flags)
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        let Ok(name) = CString::new(module.as_bytes()) else { return Err(Errno::NOENT.into()) };
        let force = if flags.force { O_TRUNC } else { 0 };
        Ok(rustix::system::delete_module(&name, O_NONBLOCK | force)?)
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        // Named as system(3) does: the shell puts its name before its messages.
        Command::new(SHELL).arg0("sh").arg("-c").arg(line).envs(environment.iter().copied()).status()
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        script::run(line, environment, meanwhile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_runs_in_the_shell_with_its_additions_to_the_environment() {
        let mut kernel = Native::seen_through(Sysfs::new("/nonexistent"));
        let mut run = |line: &str, value: &str| {
            kernel.run_shell(OsStr::new(line), &[("WORD", OsStr::new(value))]).unwrap().code()
        };
        assert_eq!(run("test \"$WORD\" = 'a b' && exit 7", "a b"), Some(7));
        assert_eq!(run("test \"$WORD\" = 'a b' && exit 7", "a"), Some(1));
    }
}
