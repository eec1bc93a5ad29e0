//! A kernel that is looked at and never touched.

use std::ffi::{CStr, OsStr};
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use modfile::ModuleName;

use crate::ops::{InsertError, InsertFlags, KernelOps, ModuleState, RemoveFlags};

/// Answers as the kernel inside does; whatever would change something succeeds without being done.
#[derive(Debug)]
pub struct DryRun<K>(pub K);

impl<K: KernelOps> KernelOps for DryRun<K> {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.0.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.0.use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.0.holders(module)
    }

    fn insert(&mut self, _: &Path, _: &CStr, _: InsertFlags) -> Result<(), InsertError> {
        Ok(())
    }

    fn remove(&mut self, _: &ModuleName, _: RemoveFlags) -> io::Result<()> {
        Ok(())
    }

    fn run_shell(&mut self, _: &OsStr, _: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        Ok(ExitStatus::default())
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::Recording;

    #[test]
    fn a_dry_run_sees_the_kernel_and_changes_nothing() {
        let name = ModuleName::from("a");
        let kernel = Recording::default().with_loaded("a", &[]).refusing("/b.ko", Errno::NOEXEC);
        let mut dry = DryRun(kernel);
        dry.insert(Path::new("/b.ko"), c"", InsertFlags::default()).unwrap();
        dry.remove(&name, RemoveFlags::default()).unwrap();
        assert!(dry.run_shell(OsStr::new("exit 1"), &[]).unwrap().success());
        assert_eq!(dry.state(&name).unwrap(), ModuleState::Live);
        assert_eq!(dry.use_count(&name).unwrap(), Some(0));
        assert_eq!(dry.holders(&name).unwrap(), []);
        assert_eq!(dry.0.events(), []);
    }
}
