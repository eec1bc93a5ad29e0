//! A kernel made of data that records what is asked of it: for tests of plans and of the code that carries them out.
//!
//! It keeps the rules that matter to an order: a module that is used, or that another module holds, is not
//! unloaded; one that is loaded is not loaded again; loading fails while something it depends on is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use modfile::ModuleName;
use rustix::io::Errno;

use crate::ops::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, RemoveFlags};

/// Something that was to change the kernel, whether it succeeded or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// A file was to be loaded.
    Insert {
        /// The file.
        path: PathBuf,
        /// Its parameters.
        params: CString,
        /// What was not to be checked.
        flags: InsertFlags,
    },
    /// A module was to be unloaded.
    Remove {
        /// The module.
        module: ModuleName,
        /// How.
        flags: RemoveFlags,
    },
    /// A line of shell was to be run.
    Shell {
        /// The line.
        line: OsString,
        /// What the environment was to have in addition.
        environment: Vec<(String, OsString)>,
    },
}

#[derive(Clone, Debug)]
struct FakeModule {
    state: ModuleState,
    /// Users that are not modules.
    users: u32,
    /// What it depends on.
    needs: Vec<ModuleName>,
}

/// A kernel of modules that are data.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    modules: BTreeMap<ModuleName, FakeModule>,
    /// What modules will depend on once they are loaded.
    needs: BTreeMap<ModuleName, Vec<ModuleName>>,
    refused_files: BTreeMap<PathBuf, Errno>,
    refused_removals: BTreeMap<ModuleName, Errno>,
    exits: BTreeMap<OsString, ExitStatus>,
    hanging: BTreeSet<OsString>,
    /// Scripts of which nobody learns how they ended.
    forgotten: BTreeSet<OsString>,
    events: Vec<KernelEvent>,
}

impl Recording {
    /// A module is live and depends on others.
    #[must_use]
    pub fn with_loaded(self, module: &str, needs: &[&str]) -> Self {
        self.with_state(module, ModuleState::Live).with_needs(module, needs)
    }

    /// A module is in some state.
    #[must_use]
    pub fn with_state(mut self, module: &str, state: ModuleState) -> Self {
        self.modules.insert(module.into(), FakeModule { state, users: 0, needs: Vec::new() });
        self
    }

    /// A module depends on others, now if it is loaded, and when it comes to be.
    #[must_use]
    pub fn with_needs(mut self, module: &str, needs: &[&str]) -> Self {
        let needs: Vec<ModuleName> = needs.iter().map(|&need| need.into()).collect();
        if let Some(loaded) = self.modules.get_mut(&module.into()) {
            loaded.needs.clone_from(&needs);
        }
        self.needs.insert(module.into(), needs);
        self
    }

    /// A loaded module has users beside the modules that hold it.
    #[must_use]
    pub fn with_users(mut self, module: &str, users: u32) -> Self {
        if let Some(loaded) = self.modules.get_mut(&module.into()) {
            loaded.users = users;
        }
        self
    }

    /// Loading this file fails.
    #[must_use]
    pub fn refusing(mut self, path: &str, errno: Errno) -> Self {
        self.refused_files.insert(path.into(), errno);
        self
    }

    /// Unloading this module fails, whatever its use.
    #[must_use]
    pub fn refusing_removal(mut self, module: &str, errno: Errno) -> Self {
        self.refused_removals.insert(module.into(), errno);
        self
    }

    /// This line of shell ends with this status; others with 0.
    #[must_use]
    pub fn with_exit_code(mut self, line: &str, code: i32) -> Self {
        // As wait(2) has it: the code is the second byte, and the first is the number of a signal.
        self.exits.insert(line.into(), ExitStatus::from_raw(code << 8));
        self
    }

    /// This line of shell is killed by a signal.
    #[must_use]
    pub fn with_killed(mut self, line: &str, signal: i32) -> Self {
        self.exits.insert(line.into(), ExitStatus::from_raw(signal));
        self
    }

    /// This line of shell runs until it is killed.
    #[must_use]
    pub fn with_hanging(mut self, line: &str) -> Self {
        self.hanging.insert(line.into());
        self
    }

    /// A script of which nobody learns how it ended.
    #[must_use]
    pub fn with_forgotten(mut self, line: &str) -> Self {
        self.forgotten.insert(line.into());
        self
    }

    /// A module goes, whoever holds it.
    pub fn lose(&mut self, module: &str) {
        self.modules.remove(&module.into());
    }

    /// What was asked for, in order.
    #[must_use]
    pub fn events(&self) -> &[KernelEvent] {
        &self.events
    }

    /// The names of the modules that are live.
    pub fn live(&self) -> impl Iterator<Item = &ModuleName> {
        self.modules.iter().filter(|(_, loaded)| loaded.state == ModuleState::Live).map(|(name, _)| name)
    }

    fn holders_of<'a>(&'a self, module: &'a ModuleName) -> impl Iterator<Item = &'a ModuleName> {
        self.modules.iter().filter(|(_, loaded)| loaded.needs.contains(module)).map(|(name, _)| name)
    }
}

impl KernelOps for Recording {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        Ok(self.modules.get(module).map_or(ModuleState::Absent, |loaded| loaded.state))
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        let Some(loaded) = self.modules.get(module) else { return Ok(None) };
        let holders = u32::try_from(self.holders_of(module).count()).unwrap_or(u32::MAX);
        Ok(Some(loaded.users.saturating_add(holders)))
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        if !self.modules.contains_key(module) {
            return Err(Errno::NOENT.into());
        }
        Ok(self.holders_of(module).cloned().collect())
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        self.events.push(KernelEvent::Insert { path: path.into(), params: params.into(), flags });
        let name = ModuleName::of_path(path.as_os_str().as_bytes());
        if let Some(&errno) = self.refused_files.get(path) {
            return Err(errno.into());
        }
        match self.modules.get(&name).map(|loaded| loaded.state) {
            None => {}
            Some(ModuleState::Going) => return Err(Errno::BUSY.into()),
            Some(_) => return Err(Errno::EXIST.into()),
        }
        let needs = self.needs.get(&name).cloned().unwrap_or_default();
        if needs.iter().any(|need| !self.modules.contains_key(need)) {
            return Err(Errno::NOENT.into());
        }
        self.modules.insert(name, FakeModule { state: ModuleState::Live, users: 0, needs });
        Ok(())
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        self.events.push(KernelEvent::Remove { module: module.clone(), flags });
        if let Some(&errno) = self.refused_removals.get(module) {
            return Err(errno.into());
        }
        match self.use_count(module)? {
            None => Err(Errno::NOENT.into()),
            Some(count) if count > 0 && !flags.force => Err(Errno::AGAIN.into()),
            Some(_) => {
                self.modules.remove(module);
                Ok(())
            }
        }
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        let environment =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.events.push(KernelEvent::Shell { line: line.to_owned(), environment });
        Ok(self.exits.get(line).copied().unwrap_or_default())
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        /// A group that no process has.
        const GROUP: u32 = u32::MAX;
        let status = self.run_shell(line, environment)?;
        if self.forgotten.contains(line) {
            return Err(Errno::CHILD.into());
        }
        if !self.hanging.contains(line) {
            return Ok(meanwhile(GROUP).is_continue().then_some(status));
        }
        while meanwhile(GROUP).is_continue() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_another_holds_stays() {
        let mut kernel = Recording::default().with_loaded("b", &[]).with_loaded("a", &["b"]);
        let flags = RemoveFlags::default();
        assert_eq!(kernel.holders(&"b".into()).unwrap(), [ModuleName::from("a")]);
        let error = kernel.remove(&"b".into(), flags).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::AGAIN.raw_os_error()));
        kernel.remove(&"a".into(), flags).unwrap();
        kernel.remove(&"b".into(), flags).unwrap();
        assert_eq!(kernel.live().count(), 0);
    }

    #[test]
    fn a_module_waits_for_what_it_needs() {
        let mut kernel = Recording::default().with_needs("a", &["b"]);
        let mut insert = |path: &str| kernel.insert(Path::new(path), c"", InsertFlags::default());
        assert!(insert("/a.ko").unwrap_err().is(Errno::NOENT));
        insert("/b.ko.xz").unwrap();
        insert("/a.ko").unwrap();
        assert!(insert("/a.ko").unwrap_err().is(Errno::EXIST));
    }
}
