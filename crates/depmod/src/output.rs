//! The directory of a database: what is there, and what does not belong there.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use moddb::build::outputs::Output;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RawDir, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::running;
use crate::tree::Tree;

/// The file whose time tells how old the database is.
pub const REFERENCE: &str = "modules.dep";

/// Temporary files begin so; the process id follows.
pub(crate) const TEMPORARY_PREFIX: &str = ".depmod-";

/// The mode of every file of a database.
pub(crate) const MODE: u32 = 0o644;

/// The directory of a database.
#[derive(Clone, Debug)]
pub struct OutputDirectory {
    tree: Arc<Tree>,
}

/// What tells one state of a database from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseState(Vec<Option<(u64, u64, i64, i64)>>);

impl OutputDirectory {
    /// The directory that was opened.
    #[must_use]
    pub fn new(tree: &Arc<Tree>) -> Self {
        Self { tree: Arc::clone(tree) }
    }

    /// The directory.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Whether there is a database.
    #[must_use]
    pub fn has_database(&self) -> bool {
        !matches!(self.stat(REFERENCE), Err(Errno::NOENT | Errno::NOTDIR))
    }

    /// The state that the files of these names are in.
    pub fn state<'n>(&self, names: impl Iterator<Item = &'n str>) -> DatabaseState {
        let of = |name| {
            let stat = self.stat(name).ok()?;
            Some((stat.st_dev, stat.st_ino, stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?))
        };
        DatabaseState(names.map(of).collect())
    }

    /// What stands at a name in the directory.
    ///
    /// # Errors
    /// What the system said.
    pub fn stat(&self, name: &str) -> Result<rustix::fs::Stat, Errno> {
        retry_on_intr(|| rustix::fs::statat(self.tree.handle(), name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Whether an output's file is there, the caller's own, for all to read, and has its bytes.
    #[must_use]
    pub fn has(&self, output: &Output) -> bool {
        let has = || {
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let open = || rustix::fs::openat(self.tree.handle(), output.name, flags, Mode::empty());
            let file = retry_on_intr(open)?;
            let stat = rustix::fs::fstat(&file)?;
            if !is_as_published(&stat) || u64::try_from(stat.st_size) != Ok(output.bytes.len() as u64) {
                return Ok(false);
            }
            let file = File::from(file);
            output.bytes.are_those_of(|buffer, position| file.read_at(buffer, position))
        };
        let has: io::Result<bool> = has();
        has.unwrap_or(false)
    }

    /// Removes the files of these names, and, for the only run, what killed ones left. Returns those that stay.
    pub fn remove<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        is_only_run: bool,
    ) -> Vec<(PathBuf, io::Error)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if is_only_run && let Ok(handle) = rustix::fs::openat(self.tree.handle(), c".", flags, Mode::empty())
        {
            self.remove_leftovers(&handle);
        }
        let remove =
            |name| match retry_on_intr(|| rustix::fs::unlinkat(self.tree.handle(), name, AtFlags::empty())) {
                Ok(()) | Err(Errno::NOENT) => None,
                Err(errno) => Some((self.path_of(name), errno.into())),
            };
        names.filter_map(remove).collect()
    }

    /// The directory, to be synced and listed: the tree's own handle can do neither.
    pub(crate) fn readable(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::openat(self.tree.handle(), c".", flags, Mode::empty()))
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }

    /// Removes what killed runs left behind. A file that is locked belongs to a run that went on without waiting
    /// for the others.
    pub(crate) fn remove_leftovers(&self, handle: &OwnedFd) {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut listing = RawDir::new(handle, &mut buffer);
        let mut leftovers = Vec::new();
        while let Some(Ok(entry)) = listing.next() {
            let name = entry.file_name();
            if is_temporary(name.to_bytes()) {
                leftovers.push(name.to_owned());
            }
        }
        for name in leftovers {
            if self.is_abandoned(&name) {
                let _ = rustix::fs::unlinkat(self.tree.handle(), &name, AtFlags::empty());
            }
        }
    }

    fn is_abandoned(&self, name: &std::ffi::CStr) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(self.tree.handle(), name, flags, Mode::empty()) else {
            return false;
        };
        let is_file =
            rustix::fs::fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
        is_file && flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
    }
}

/// Whether a file is the caller's own, and for all to read.
#[must_use]
pub fn is_as_published(stat: &rustix::fs::Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
        && FileType::from_raw_mode(stat.st_mode).is_file()
        && stat.st_mode & 0o7777 == MODE
}

fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(TEMPORARY_PREFIX.as_bytes()) && name != running::NAME.as_bytes()
}
