//! Where modinfo looks: the only module of this crate that knows absolute paths, all of them values.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use moddb::paths::ModuleDir;

/// What decides which files are meant, and where the running kernel's values are.
#[derive(Clone, Debug, Default)]
pub(crate) struct System {
    /// The directory in which the tool runs.
    pub cwd: PathBuf,
    /// The release of the running kernel.
    pub release: OsString,
    /// The directory that has an entry for each loaded module.
    pub sys_module: PathBuf,
    /// Directories of modprobe.d, first ones first.
    pub modprobe_d: Vec<PathBuf>,
    /// The kernel's command line.
    pub command_line: PathBuf,
}

impl System {
    /// This system.
    pub fn of_system() -> Self {
        let release = rustix::system::uname().release().to_bytes().to_vec();
        Self {
            // One that was removed has no name; then only absolute paths serve.
            cwd: std::env::current_dir().unwrap_or_default(),
            release: OsString::from_vec(release),
            sys_module: "/sys/module".into(),
            modprobe_d: moddb::paths::modprobe_d(),
            command_line: moddb::paths::KERNEL_COMMAND_LINE.into(),
        }
    }

    /// The modules of the running kernel.
    pub fn running(&self) -> ModuleDir {
        ModuleDir::new("".as_ref(), &self.release)
    }

    /// A path as it is, or below the current directory; nothing of it is resolved, because it is shown.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }
}
