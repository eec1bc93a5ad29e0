//! The kernel on which plans are carried out: the running one, whose modules keep their settings, or one that is
//! looked at and never changed.

use std::ffi::{CStr, OsStr};
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, Rehearsal, RemoveFlags};

use crate::execute::Effect;
use crate::settings::{Guard, Settings};

/// The kernel on which plans are carried out.
pub enum Stage<'a, K> {
    /// What is asked for is done, and settings are kept.
    Real(Guard<'a, K>),
    /// The kernel only answers as if it had been done.
    Rehearsed(Rehearsal<K>),
}

impl<'a, K: KernelOps> Stage<'a, K> {
    /// The kernel `system`, or a rehearsal of it.
    pub fn new(effect: Effect, system: K, settings: &'a Settings<'a>) -> Self {
        match effect {
            Effect::Real => Self::Real(Guard::new(system, settings)),
            Effect::Rehearsed => Self::Rehearsed(Rehearsal::new(system)),
        }
    }

    /// Puts settings back; to be called when nothing more will come in.
    pub fn finish(self) {
        match self {
            Self::Real(mut guard) => guard.finish(),
            Self::Rehearsed(_) => {}
        }
    }

    fn kernel(&self) -> &dyn KernelOps {
        match self {
            Self::Real(guard) => guard,
            Self::Rehearsed(rehearsal) => rehearsal,
        }
    }

    fn kernel_mut(&mut self) -> &mut dyn KernelOps {
        match self {
            Self::Real(guard) => guard,
            Self::Rehearsed(rehearsal) => rehearsal,
        }
    }
}

impl<K: KernelOps> KernelOps for Stage<'_, K> {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.kernel().state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.kernel().use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.kernel().holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        self.kernel_mut().insert(path, params, flags)
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        self.kernel_mut().remove(module, flags)
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.kernel_mut().run_shell(line, environment)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        self.kernel_mut().run_script(line, environment, meanwhile)
    }
}
