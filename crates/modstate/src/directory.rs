//! The directories in which the tools remember: small files, one per module, each replaced as a whole, so that a
//! reader sees the old text or the new one, never a part.
//!
//! A file is believed only if nobody but its owner, root, can have written or exchanged it: the directory above, the
//! directory itself and the opened file are looked at, by handle, for every kind of file in this one place. Nothing
//! here waits, and below the first directory no link is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modfile::ModuleName;
use modfile::regular::{Links, Regular, RegularError, check_trust};
use rustix::fs::{
    AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, flock, mkdirat,
    openat, renameat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::boot_time::BootTime;

/// The longest file that is read, in bytes. Ours are a hundred times shorter.
pub const LONGEST_FILE: usize = 1 << 20;

/// Permissions of a file that everybody may read.
pub(crate) const FOR_ALL: u32 = 0o644;
/// Permissions of a file with values that not everybody may be able to read where they come from.
pub(crate) const FOR_OWNER: u32 = 0o600;

/// How many processes can replace the same file at the same time.
const WRITERS: u32 = 64;

/// Whether a file must outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It stands in a file system in memory.
    Volatile,
    /// It is on disk before the old one goes.
    Durable,
}

/// The file or directory name of a module; `None` for a name that cannot be one.
pub(crate) fn name_of(module: &ModuleName) -> Option<&OsStr> {
    let name = module.as_bytes();
    let fits = !name.is_empty() && name.len() <= 255 && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
    fits.then(|| OsStr::from_bytes(name))
}

/// A directory into which nobody but its owner can have put anything.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    owner: u32,
}

/// A regular file with its permissions.
#[derive(Debug)]
pub(crate) struct Text {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

impl Directory {
    /// Opens `base`; `None` if there is none.
    pub fn open(base: &Path, owner: u32) -> Result<Option<Self>, RegularError> {
        if_there(Self::open_at(CWD, base, OFlags::empty(), owner))
    }

    /// Opens `base`, which is made if the directory above it exists.
    pub fn make(base: &Path, owner: u32) -> Result<Self, RegularError> {
        match Self::open(base, owner)? {
            Some(directory) => Ok(directory),
            None => {
                make_at(CWD, base)?;
                Self::open_at(CWD, base, OFlags::empty(), owner)
            }
        }
    }

    /// Opens the directory `name` in this one; `None` if there is none.
    pub fn inner(&self, name: &str) -> Result<Option<Self>, RegularError> {
        if_there(Self::open_at(&self.fd, name.as_ref(), OFlags::NOFOLLOW, self.owner))
    }

    /// Opens the directory `name` in this one, which is made if need be.
    pub fn make_inner(&self, name: &str) -> Result<Self, RegularError> {
        match self.inner(name)? {
            Some(directory) => Ok(directory),
            None => {
                make_at(&self.fd, name.as_ref())?;
                Self::open_at(&self.fd, name.as_ref(), OFlags::NOFOLLOW, self.owner)
            }
        }
    }

    fn open_at(at: impl AsFd, path: &Path, links: OFlags, owner: u32) -> Result<Self, RegularError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK | links;
        let fd = openat(at, path, flags, Mode::empty())?;
        check_trust(&rustix::fs::fstat(&fd)?, owner)?;
        Ok(Self { fd, owner })
    }

    /// A file's text; `None` if there is no such file.
    pub fn read(&self, name: &OsStr) -> Result<Option<Text>, RegularError> {
        if_there(self.read_there(name))
    }

    fn read_there(&self, name: &OsStr) -> Result<Text, RegularError> {
        let file = Regular::open_at(&self.fd, name.as_ref(), Links::Refuse)?.trusted(self.owner)?;
        Ok(Text { bytes: file.read(LONGEST_FILE)?, mode: file.stat().st_mode & 0o7777 })
    }

    /// The names of all files, hidden ones too, in no order.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Removes a file; a missing one is not an error.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file for writing, which is made if need be, and whose content does not matter.
    pub fn touch(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | FLAGS;
        Ok(openat(&self.fd, name, flags, Mode::from_raw_mode(FOR_OWNER))?.into())
    }

    /// Opens a file to lock it; `None` if there is none.
    pub fn open_to_lock(&self, name: &str) -> io::Result<Option<File>> {
        match openat(&self.fd, name, OFlags::RDONLY | FLAGS, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file for reading and writing, which is made if need be.
    pub fn open_to_change(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | FLAGS;
        let fd = openat(&self.fd, name, flags, Mode::from_raw_mode(FOR_OWNER))?;
        check_trust(&rustix::fs::fstat(&fd)?, self.owner).map_err(io::Error::other)?;
        Ok(fd.into())
    }

    /// Dates a file by the clock since boot; says whether there is one.
    pub fn date(&self, name: &OsStr, time: BootTime) -> io::Result<bool> {
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(time.0 % 1000 * 1_000_000).unwrap_or(0);
        let times = Timestamps {
            last_access: omit,
            last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        };
        match utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The date of a file, as [`Directory::date`] gave it one; `None` if there is no file.
    pub fn date_of(&self, name: &OsStr) -> io::Result<Option<BootTime>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
                // Whether it has a sign depends on how the system is called.
                #[allow(clippy::useless_conversion, reason = "it is one of these two kinds of number")]
                let milliseconds = u64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
                Ok(Some(BootTime(seconds.saturating_mul(1000).saturating_add(milliseconds))))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a file that is not there yet.
    pub fn create(&self, name: &str, mode: u32) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | FLAGS;
        openat(&self.fd, name, flags, Mode::from_raw_mode(mode)).map(drop)
    }

    /// Puts `text` in the place of a file, with these permissions.
    pub fn replace(&self, name: &OsStr, text: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
        let (temporary, mut file) = self.temporary(name)?;
        let written = (|| {
            file.write_all(text)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            if durability == Durability::Durable {
                file.sync_all()?;
            }
            renameat(&self.fd, OsStr::from_bytes(&temporary), &self.fd, name)?;
            if durability == Durability::Durable { Ok(rustix::fs::fsync(&self.fd)?) } else { Ok(()) }
        })();
        if written.is_err() {
            // What counts is why it could not be written.
            let _ = unlinkat(&self.fd, OsStr::from_bytes(&temporary), AtFlags::empty());
        }
        written
    }

    /// A new hidden file beside `name`, and its own name. Its writer holds a lock on it, so that one which a killed
    /// process left differs from one that is being written, also by a process of another PID namespace.
    fn temporary(&self, name: &OsStr) -> io::Result<(Vec<u8>, File)> {
        for number in 0..WRITERS {
            let temporary = [b".", name.as_bytes(), format!(".{number}").as_bytes()].concat();
            let at = OsStr::from_bytes(&temporary);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | FLAGS;
            let create = || openat(&self.fd, at, flags, Mode::from_raw_mode(FOR_OWNER));
            let mut created = create();
            if matches!(created, Err(Errno::EXIST)) && self.remove_abandoned(&temporary) {
                created = create();
            }
            match created {
                // Somebody may have taken it for abandoned just now.
                Ok(fd) if is_ours(&fd) => return Ok((temporary, fd.into())),
                Ok(_) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::BUSY.into())
    }

    /// Removes a temporary file that nobody is writing; says whether it did.
    pub fn remove_abandoned(&self, temporary: &[u8]) -> bool {
        let name = OsStr::from_bytes(temporary);
        let Ok(fd) = openat(&self.fd, name, OFlags::RDONLY | FLAGS, Mode::empty()) else { return false };
        flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok()
            && unlinkat(&self.fd, name, AtFlags::empty()).is_ok()
    }
}

const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Locks a file that was just made; says whether nobody else came between.
fn is_ours(fd: &OwnedFd) -> bool {
    match flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => false,
        // A file system without locks has none that could come between.
        Ok(()) | Err(_) => rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_nlink > 0),
    }
}

fn make_at(at: impl AsFd, path: &Path) -> Result<(), Errno> {
    match mkdirat(at, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn if_there<T>(found: Result<T, RegularError>) -> Result<Option<T>, RegularError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
