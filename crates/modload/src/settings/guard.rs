//! Wraps a kernel whose modules keep their settings: notes what comes in, and saves settings before a module goes.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;

use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, RemoveFlags};

use super::{Persist, Settings};
use crate::environment;

/// A module that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its name.
    pub module: ModuleName,
    /// The parameters it was given.
    pub params: Vec<u8>,
}

/// A kernel, and who keeps the settings of its modules.
pub struct Guard<'a, K> {
    kernel: K,
    settings: &'a Settings<'a>,
    inserted: Vec<Inserted>,
    /// What was noticed when settings were saved: a removal that is tried again has the same to report.
    noticed: Vec<String>,
}

impl<'a, K: KernelOps> Guard<'a, K> {
    /// Changes to this kernel are accompanied.
    pub fn new(kernel: K, settings: &'a Settings<'a>) -> Self {
        Self { kernel, settings, inserted: Vec::new(), noticed: Vec::new() }
    }

    /// Puts back the settings of all that came in; to be called when nothing more will. The kernel may be waiting
    /// for one of the modules until then, so none of this is done in between.
    pub fn finish(&mut self) {
        if !self.inserted.is_empty() {
            self.settings.restore(&std::mem::take(&mut self.inserted));
        }
    }

    fn save(&mut self, module: &ModuleName) {
        if self.settings.persist == Persist::NotThisTime {
            return;
        }
        for notice in self.settings.save(module).map(|saved| saved.notices).unwrap_or_default() {
            let text = format!("{module} {notice}");
            if !self.noticed.contains(&text) {
                self.settings.notice(module, &notice);
                self.noticed.push(text);
            }
        }
    }
}

impl<K: KernelOps> KernelOps for Guard<'_, K> {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.kernel.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.kernel.use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.kernel.holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        self.kernel.insert(path, params, flags)?;
        let module = ModuleName::of_path(path.as_os_str().as_bytes());
        self.inserted.push(Inserted { module, params: params.to_bytes().to_vec() });
        Ok(())
    }

    /// A removal that is tried again saves again: the module was in use meanwhile.
    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        self.save(module);
        self.kernel.remove(module, flags)
    }

    /// A command may unload the module for which it stands.
    fn run_shell(&mut self, line: &OsStr, variables: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        if let Some((_, module)) = variables.iter().find(|(name, _)| *name == environment::MODULE) {
            self.save(&ModuleName::new(module.as_bytes()));
        }
        self.kernel.run_shell(line, variables)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        variables: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        self.kernel.run_script(line, variables, meanwhile)
    }
}
