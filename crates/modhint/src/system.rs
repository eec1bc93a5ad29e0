//! Where a system shows itself.

use std::path::{Path, PathBuf};

/// The directories of one system, as values so that a prepared tree can stand in for them.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// Where sysfs is mounted.
    pub sys: &'a Path,
    /// Where proc is mounted.
    pub proc: &'a Path,
    /// Where device nodes are.
    pub dev: &'a Path,
}

impl System<'_> {
    /// The directory that has an entry for each module.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.sys.join("module")
    }
}
