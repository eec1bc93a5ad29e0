//! What the tools ask of a kernel and want from it.

use std::ffi::{CStr, OsStr};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitStatus;

use modfile::compression::DecompressError;
use modfile::{ModuleName, ReadError};
use rustix::io::Errno;

/// The state of a module in the kernel. Whether a name is built in is not known here: the kernel shows a
/// built-in module like one that is coming, so ask the module database first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleState {
    /// Not there.
    Absent,
    /// Being loaded: its initialisation has not ended.
    Coming,
    /// Loaded.
    Live,
    /// Being unloaded.
    Going,
}

/// Which checks of a module against the kernel are left out when it is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InsertFlags {
    /// The checksums of the symbols that it uses.
    pub ignore_modversions: bool,
    /// The version and features of the kernel it was built for.
    pub ignore_vermagic: bool,
}

/// How a module is unloaded. The kernel never waits for users to go away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveFlags {
    /// Also when it is in use, if the kernel was built to allow that.
    pub force: bool,
}

/// Why a module was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The kernel refused it.
    #[error("{0}")]
    Kernel(io::Error),
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is compressed, and neither the kernel nor we could decompress it.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The checks that were to be left out are not there to be taken out of the image.
    #[error("no vermagic to take out")]
    NoVermagic,
}

impl InsertError {
    /// The error number (Linux errno) by which the failure is reported.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Kernel(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
            Self::Read(error) => error.errno(),
            Self::Decompress(DecompressError::TooLarge { .. }) => Errno::FBIG.raw_os_error(),
            Self::Decompress(DecompressError::NoMemory { .. }) => Errno::NOMEM.raw_os_error(),
            Self::Decompress(_) => Errno::INVAL.raw_os_error(),
            Self::NoVermagic => Errno::NODATA.raw_os_error(),
        }
    }

    /// Whether it failed with this error number.
    #[must_use]
    pub fn is(&self, errno: Errno) -> bool {
        self.errno() == errno.raw_os_error()
    }
}

impl From<Errno> for InsertError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno.into())
    }
}

/// A kernel with modules.
pub trait KernelOps {
    /// The state of a module.
    ///
    /// # Errors
    /// The kernel's state cannot be read; an absent module is not an error.
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState>;

    /// How many users hold a module; `None` if it is absent, or if this kernel cannot unload and does not count.
    ///
    /// # Errors
    /// The count is there but cannot be read.
    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>>;

    /// The modules that use a module, in the order in which the kernel lists them.
    ///
    /// # Errors
    /// The list cannot be read, which for an absent module is `NotFound`.
    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>>;

    /// Loads the module in the file at `path`. Returns when its initialisation has ended.
    ///
    /// # Errors
    /// [`InsertError`]; `EEXIST` says that it is loaded already.
    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError>;

    /// Unloads a module.
    ///
    /// # Errors
    /// The kernel's: `EAGAIN` (`EWOULDBLOCK`) if it is in use, `ENOENT` if it is absent.
    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()>;

    /// Runs a line of shell, with these additions to the environment, and waits for its end.
    ///
    /// # Errors
    /// The shell could not be started.
    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus>;

    /// Runs a line of shell with this environment and no other, in a process group of its own, from `/`, and waits for
    /// its end; `None` if it was killed before. `meanwhile` is called with the number of the group, at once and again
    /// and again, and lets some time pass; with a break, all of the group are killed.
    ///
    /// # Errors
    /// The shell could not be started, or it was and nobody can know how it ended (`ECHILD`): this process has the system
    /// forget its children, or somebody else wait for them.
    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>>;
}

/// Is called with the number of a process group as long as it runs; says whether it may go on.
pub type Meanwhile<'a> = &'a mut dyn FnMut(u32) -> ControlFlow<()>;

impl<K: KernelOps + ?Sized> KernelOps for &mut K {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        (**self).state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        (**self).use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        (**self).holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        (**self).insert(path, params, flags)
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        (**self).remove(module, flags)
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        (**self).run_shell(line, environment)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        (**self).run_script(line, environment, meanwhile)
    }
}
