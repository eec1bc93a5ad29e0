//! Where rmmod looks: the only place of this crate that knows absolute paths, all of them values.

use std::path::PathBuf;

use modhint::system::System;
use modstate::settings;

/// The directories of one system.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Where sysfs is mounted.
    pub sys: PathBuf,
    /// Where proc is mounted.
    pub proc: PathBuf,
    /// Where device nodes are.
    pub dev: PathBuf,
    /// What the tools remember until the next boot.
    pub memory: PathBuf,
    /// Settings and their baselines.
    pub settings: settings::Places,
    /// Directories of modutils.d, first ones first.
    pub modutils_d: Vec<PathBuf>,
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

impl Places {
    /// Those of this system.
    pub fn of_system() -> Self {
        let release = rustix::system::uname().release().to_bytes().to_vec();
        let release: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(release);
        let sys = PathBuf::from("/sys");
        let proc = PathBuf::from("/proc");
        Self {
            dev: "/dev".into(),
            memory: "/run/modutils".into(),
            settings: settings::Places {
                baselines: "/run/modutils/baseline".into(),
                settings: "/var/lib/modutils/settings".into(),
                sys_module: sys.join("module"),
                proc_sys: proc.join("sys"),
            },
            modutils_d: moddb::paths::modutils_d(),
            modprobe_d: moddb::paths::modprobe_d(),
            modules_load_d: ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"]
                .iter()
                .map(|directory| PathBuf::from(directory).join("modules-load.d"))
                .collect(),
            etc_modules: "/etc/modules".into(),
            command_line: proc.join("cmdline"),
            module_directory: moddb::paths::ModuleDir::new("".as_ref(), &release),
            sys,
            proc,
        }
    }

    /// Where the system shows itself.
    pub fn shown(&self) -> System<'_> {
        System { sys: &self.sys, proc: &self.proc, dev: &self.dev }
    }

    /// The directory that has an entry for each module.
    pub fn sys_module(&self) -> PathBuf {
        self.sys.join("module")
    }
}
