//! A kernel that is never changed but answers as if everything had been done: what a removal would do depends on the
//! removals before it.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use modfile::ModuleName;

use crate::ops::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, RemoveFlags};

/// Answers as the kernel inside would after the removals so far. Loading and commands leave no trace, because
/// nobody knows what they would do.
#[derive(Debug)]
pub struct Rehearsal<K> {
    kernel: K,
    removed: BTreeSet<ModuleName>,
}

impl<K: KernelOps> Rehearsal<K> {
    /// A rehearsal on this kernel as it is now.
    pub fn new(kernel: K) -> Self {
        Self { kernel, removed: BTreeSet::new() }
    }

    /// The kernel that is never changed.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }
}

impl<K: KernelOps> KernelOps for Rehearsal<K> {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        if self.removed.contains(module) {
            return Ok(ModuleState::Absent);
        }
        self.kernel.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        if self.removed.contains(module) {
            return Ok(None);
        }
        let count = self.kernel.use_count(module)?;
        if self.removed.is_empty() {
            return Ok(count);
        }
        // Each module that uses another counts once.
        let holders = self.kernel.holders(module).unwrap_or_default();
        let gone = holders.iter().filter(|holder| self.removed.contains(*holder)).count();
        Ok(count.map(|count| count.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))))
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        if self.removed.contains(module) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut holders = self.kernel.holders(module)?;
        holders.retain(|holder| !self.removed.contains(holder));
        Ok(holders)
    }

    fn insert(&mut self, _: &Path, _: &CStr, _: InsertFlags) -> Result<(), InsertError> {
        Ok(())
    }

    fn remove(&mut self, module: &ModuleName, _: RemoveFlags) -> io::Result<()> {
        self.removed.insert(module.clone());
        Ok(())
    }

    fn run_shell(&mut self, _: &OsStr, _: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        Ok(ExitStatus::default())
    }

    fn run_script(
        &mut self,
        _: &OsStr,
        _: &[(&str, &OsStr)],
        _: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        Ok(Some(ExitStatus::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recording;

    #[test]
    fn what_was_removed_is_gone_and_uses_nothing_any_more() {
        let kernel = Recording::default()
            .with_loaded("low", &[])
            .with_loaded("a", &["low"])
            .with_loaded("b", &["low"]);
        let mut rehearsal = Rehearsal::new(kernel);
        let (low, a) = (ModuleName::from("low"), ModuleName::from("a"));
        assert_eq!(rehearsal.use_count(&low).unwrap(), Some(2));
        rehearsal.remove(&a, RemoveFlags::default()).unwrap();
        assert_eq!(rehearsal.state(&a).unwrap(), ModuleState::Absent);
        assert_eq!(rehearsal.use_count(&a).unwrap(), None);
        assert!(rehearsal.holders(&a).is_err());
        assert_eq!(rehearsal.use_count(&low).unwrap(), Some(1));
        assert_eq!(rehearsal.holders(&low).unwrap(), [ModuleName::from("b")]);
        assert_eq!(rehearsal.state(&low).unwrap(), ModuleState::Live);
        assert_eq!(rehearsal.kernel().events(), []);
    }
}
