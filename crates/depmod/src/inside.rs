//! Paths that mean what they mean to a system below another root directory.

use std::os::fd::OwnedFd;
use std::path::Path;

use moddb::config::files::{Directly, Reach};
use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use crate::tree::{OpenError, Tree};

/// How files are reached: those below the root directory that the caller named, if there is one, through its handle,
/// so that no link leads out of it; all others as ever.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a>(pub Option<&'a Tree>);

impl Inside<'_> {
    fn within<'p>(&self, path: &'p Path) -> Option<(&Tree, &'p Path)> {
        let root = self.0?;
        Some((root, path.strip_prefix(root.path()).ok()?))
    }
}

impl Reach for Inside<'_> {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.within(path) {
            None => Directly.open(path, flags),
            Some((root, relative)) => root.open_at(relative, flags).map_err(errno),
        }
    }

    fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        match self.within(path) {
            None => Directly.stat(path),
            Some((root, relative)) => root.stat(relative).map_err(errno),
        }
    }
}

fn errno(error: OpenError) -> Errno {
    Errno::from_io_error(&error.into()).unwrap_or(Errno::IO)
}
