//! Where the system shows and keeps what modprobe needs beside modules and their configuration: the one place
//! of this tool with absolute paths.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use modhint::system::System;
use modstate::settings;

/// Directories of the system, as values so that tests put others in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where the kernel shows processes and itself.
    pub proc: PathBuf,
    /// Where the kernel shows devices and modules.
    pub sys: PathBuf,
    /// Where device nodes are.
    pub dev: PathBuf,
    /// What the suite remembers until the next boot.
    pub memory: PathBuf,
    /// Where the kernel shows how locked it is.
    pub security: PathBuf,
    /// Where settings of modules outlive a boot.
    pub settings: Cow<'static, Path>,
}

impl Places {
    /// Where the system shows itself.
    #[must_use]
    pub fn shown(&self) -> System<'_> {
        System { sys: &self.sys, proc: &self.proc, dev: &self.dev }
    }

    /// Where settings live, if this directory has an entry for each module.
    #[must_use]
    pub fn of_settings(&self, sys_module: &Path) -> settings::Places {
        settings::Places {
            baselines: self.memory.join("baseline"),
            settings: self.settings.to_path_buf(),
            sys_module: sys_module.to_owned(),
            proc_sys: self.proc.join("sys"),
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            dev: "/dev".into(),
            memory: "/run/modutils".into(),
            security: "/sys/kernel/security".into(),
            settings: Path::new("/var/lib/modutils/settings").into(),
        }
    }
}
