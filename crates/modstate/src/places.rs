//! Where the tools find and keep what is neither a module nor its configuration. Paths are data that tools pass down,
//! so a test puts others in their place.

use std::path::{Path, PathBuf};

/// The directories of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where the kernel shows devices and modules.
    pub sys: PathBuf,
    /// Where the kernel shows processes and itself.
    pub proc: PathBuf,
    /// Where device nodes are.
    pub dev: PathBuf,
    /// What is remembered until the next boot.
    pub run: PathBuf,
    /// What outlives a boot.
    pub lasting: PathBuf,
    /// The directories of modutils.d, first ones first.
    pub modutils_d: Vec<PathBuf>,
    /// The configuration of Linux 2.4's tools, which counts only where modutils.d says so.
    pub modules_conf: PathBuf,
    /// The number of the only user whose files and directories below `run` and `lasting` are believed, and whose files
    /// may name commands.
    pub owner: u32,
}

impl Places {
    /// Those of this system. To be called once in a run, and passed on.
    #[must_use]
    pub fn of_system() -> Self {
        // Not "/lib", which is a link to "/usr/lib" nearly everywhere: each one is a system call in every load.
        let configuration = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            dev: "/dev".into(),
            run: "/run/modutils".into(),
            lasting: "/var/lib/modutils".into(),
            modutils_d: configuration.iter().map(|below| Path::new(below).join("modutils.d")).collect(),
            modules_conf: "/etc/modules.conf".into(),
            owner: 0,
        }
    }

    /// The same directories below another root, for the user who runs this.
    #[must_use]
    pub fn below(root: &Path, owner: u32) -> Self {
        let below = |path: PathBuf| match path.strip_prefix("/") {
            Ok(relative) => root.join(relative),
            Err(_) => root.join(path),
        };
        let system = Self::of_system();
        Self {
            sys: below(system.sys),
            proc: below(system.proc),
            dev: below(system.dev),
            run: below(system.run),
            lasting: below(system.lasting),
            modutils_d: system.modutils_d.into_iter().map(below).collect(),
            modules_conf: below(system.modules_conf),
            owner,
        }
    }

    /// The directory that has an entry for each module.
    #[must_use]
    pub fn sys_module(&self) -> PathBuf {
        self.sys.join("module")
    }

    /// The settings of the kernel.
    #[must_use]
    pub fn proc_sys(&self) -> PathBuf {
        self.proc.join("sys")
    }

    /// The file that names the run of the kernel.
    #[must_use]
    pub fn boot_id(&self) -> PathBuf {
        self.proc.join("sys/kernel/random/boot_id")
    }

    /// The directory with a file for each module that has settings saved.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.lasting.join(SETTINGS)
    }

    /// The directory with the values of each module right after its load.
    #[must_use]
    pub fn baselines(&self) -> PathBuf {
        self.run.join(BASELINES)
    }
}

/// The name of the directory of saved settings.
pub(crate) const SETTINGS: &str = "settings";
/// The name of the directory of baselines.
pub(crate) const BASELINES: &str = "baseline";
