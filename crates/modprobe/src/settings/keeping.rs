//! A kernel whose modules keep their settings: what comes in is noted, and what goes is saved before.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;

use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, ModuleState, RemoveFlags};

use super::Settings;
use crate::request::Persist;

/// A module that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its name.
    pub module: ModuleName,
    /// The parameters it was given.
    pub params: Vec<u8>,
}

/// A kernel, and who keeps the settings of its modules.
pub struct Keeping<'a, K> {
    kernel: K,
    settings: &'a Settings<'a>,
    inserted: Vec<Inserted>,
    /// What was told when settings were saved: a removal that is tried again has the same to say.
    told: Vec<String>,
}

impl<'a, K: KernelOps> Keeping<'a, K> {
    /// Changes to this kernel are accompanied.
    pub fn new(kernel: K, settings: &'a Settings<'a>) -> Self {
        Self { kernel, settings, inserted: Vec::new(), told: Vec::new() }
    }

    /// Puts back the settings of all that came in; to be called when nothing more will. The kernel may be waiting
    /// for one of the modules until then, so none of this is done in between.
    pub fn restore(&mut self) {
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
            if !self.told.contains(&text) {
                self.settings.tell(module, &notice);
                self.told.push(text);
            }
        }
    }
}

impl<K: KernelOps> KernelOps for Keeping<'_, K> {
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

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.kernel.run_shell(line, environment)
    }
}
