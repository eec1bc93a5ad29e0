//! Where the system shows and keeps what modprobe needs beside modules and their configuration: the one place
//! of this tool with absolute paths.

use std::path::PathBuf;

/// Directories of the system, as values so that tests put others in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where the kernel shows processes and itself.
    pub proc: PathBuf,
    /// What the suite remembers until the next boot.
    pub memory: PathBuf,
    /// Where installed kernels keep their modules.
    pub installed: PathBuf,
    /// Where the kernel shows how locked it is.
    pub security: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            memory: "/run/modutils".into(),
            installed: "/lib/modules".into(),
            security: "/sys/kernel/security".into(),
        }
    }
}
