//! Which files a context was made of, and when they had changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file and when it had last changed, in microseconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    path: PathBuf,
    changed: i64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned(), changed: changed(path)? })
    }

    pub(crate) fn still_holds(&self) -> bool {
        changed(&self.path) == Some(self.changed)
    }
}

fn changed(path: &Path) -> Option<i64> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.mtime().wrapping_mul(1_000_000).wrapping_add(metadata.mtime_nsec() / 1000))
}

/// The indexes that are kept open for the caller.
#[derive(Default)]
pub(crate) struct LoadedIndexes {
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) kept: bool,
}
