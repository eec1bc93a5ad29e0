//! The running kernel behind libkmod: [`LibKmod`] is to the tools what `modkernel`'s `Native` is, through the `kmod`
//! crate. A build with the feature `libkmod` of modprobe or rmmod uses it; nothing that is shipped does, since
//! libkmod is a dynamic library only.
//!
//! libkmod loads, unloads, counts users and names holders. The crate's bindings neither tell a module's state
//! nor run commands, and `/proc/modules` does not tell a module that is coming from one that is not: these two are
//! asked of `Native`. Error numbers are those that libkmod leaves behind, which it does for what the kernel refuses
//! and not for all that it refuses itself; that becomes `EIO`. Its own messages go to standard error, as libkmod
//! words them.

use std::cell::OnceCell;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;

use errno::{Errno, set_errno};
use kmod::{Context, Error, Module};
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, Native, RemoveFlags, Sysfs};

/// Flags of libkmod's functions, from its documentation of `kmod_module_insert_module` and
/// `kmod_module_remove_module`; the latter are those of open(2).
const FORCE_VERMAGIC: u32 = 1;
const FORCE_MODVERSION: u32 = 2;
const NO_WAIT: u32 = 0o4000;
const FORCE_REMOVE: u32 = 0o1000;

/// The running kernel through libkmod.
#[derive(Debug)]
pub struct LibKmod {
    native: Native,
    /// Made when it is first needed: libkmod then reads the whole configuration.
    context: OnceCell<Context>,
}

impl LibKmod {
    /// The kernel of this system.
    #[must_use]
    pub fn of_system() -> Self {
        Self { native: Native::of_system(), context: OnceCell::new() }
    }

    /// What sysfs says beyond [`KernelOps`].
    #[must_use]
    pub fn sysfs(&self) -> &Sysfs {
        self.native.sysfs()
    }

    fn context(&self) -> io::Result<&Context> {
        if let Some(context) = self.context.get() {
            return Ok(context);
        }
        let context = asked(Context::new)?;
        Ok(self.context.get_or_init(|| context))
    }

    fn module(&self, module: &ModuleName) -> io::Result<Module> {
        let Ok(name) = std::str::from_utf8(module.as_bytes()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let context = self.context()?;
        asked(|| context.module_new_from_name(name))
    }
}

/// Calls libkmod; a failure has the number that it left behind.
fn asked<T>(question: impl FnOnce() -> kmod::Result<T>) -> io::Result<T> {
    // What another call left behind is not this one's.
    set_errno(Errno(0));
    question().map_err(|error| {
        let number = match error {
            Error::InsertModule(Errno(number))
            | Error::RemoveModule(Errno(number))
            | Error::ModuleFromPath(Errno(number)) => number,
            _ => errno::errno().0,
        };
        match number {
            0 => io::Error::other(error.to_string()),
            number => io::Error::from_raw_os_error(number),
        }
    })
}

impl KernelOps for LibKmod {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.native.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        if self.sysfs().read(module, "refcnt")?.is_none() {
            return Ok(None);
        }
        // A module that is going counts -1, and so does one that libkmod knows nothing of.
        let count = self.module(module)?.refcount();
        Ok(Some(u32::try_from(count).unwrap_or(0)))
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        // libkmod gives an empty list for a module that is absent.
        if self.state(module)? == ModuleState::Absent {
            return Err(io::ErrorKind::NotFound.into());
        }
        let holders = self.module(module)?.holders();
        Ok(holders.map(|holder| ModuleName::new(holder.name().as_bytes())).collect())
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        // The bindings take text.
        let params = params.to_str().map_err(|_| InsertError::Kernel(io::ErrorKind::InvalidInput.into()))?;
        let mut bits = 0;
        if flags.ignore_vermagic {
            bits |= FORCE_VERMAGIC;
        }
        if flags.ignore_modversions {
            bits |= FORCE_MODVERSION;
        }
        let context = self.context().map_err(InsertError::Kernel)?;
        let module = asked(|| context.module_new_from_path(path)).map_err(InsertError::Kernel)?;
        asked(|| module.insert_module(bits, &[params])).map_err(InsertError::Kernel)
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        let bits = if flags.force { NO_WAIT | FORCE_REMOVE } else { NO_WAIT };
        let module = self.module(module)?;
        asked(|| module.remove_module(bits))
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.native.run_shell(line, environment)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        self.native.run_script(line, environment, meanwhile)
    }
}
