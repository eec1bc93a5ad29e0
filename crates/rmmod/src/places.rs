//! Where rmmod looks: the only module of this crate that knows absolute paths, all of them values.

use std::ffi::OsStr;
use std::path::PathBuf;

/// The places that the suite shares, and the configuration of what is loaded at boot.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// What the whole suite shares.
    pub places: modstate::Places,
    /// Directories of modprobe.d, first ones first.
    pub modprobe_d: Vec<PathBuf>,
    /// Directories of modules-load.d.
    pub modules_load_d: Vec<PathBuf>,
    /// The older list of modules to load at boot.
    pub etc_modules: PathBuf,
    /// The kernel's command line.
    pub command_line: PathBuf,
    /// The modules of the running kernel.
    pub module_directory: moddb::paths::ModuleDir,
}

impl Layout {
    /// Those of this system, with this release of the kernel.
    pub fn of_system(release: &OsStr) -> Self {
        let places = modstate::Places::of_system();
        Self {
            modprobe_d: moddb::paths::modprobe_d(),
            modules_load_d: ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"]
                .iter()
                .map(|directory| PathBuf::from(directory).join("modules-load.d"))
                .collect(),
            etc_modules: "/etc/modules".into(),
            command_line: places.proc.join("cmdline"),
            module_directory: moddb::paths::ModuleDir::new("".as_ref(), release),
            places,
        }
    }

    /// The directory that has an entry for each module.
    pub fn sys_module(&self) -> PathBuf {
        self.places.sys_module()
    }
}
