//! The file in which depmod keeps what it learned from run to run: reading it, replacing it, and clearing away those
//! of kernels that are gone.
//!
//! [`stamps`](crate::stamps) says when what it holds may be believed. Modules that could not be read without error are
//! never remembered: their messages belong to every run.
//!
//! The file itself is not trusted: it must belong to the caller, and nobody else may be able to write it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use moddb::cache::{Cache, Unusable, Writer};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::paths;

/// The largest cache that is read, in bytes. That of 40,000 modules has a tenth of it.
const LARGEST: u64 = 1 << 30;

/// The file in which a run keeps what it read of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheFile {
    /// Nowhere.
    Nowhere,
    /// In the live system's cache, in the file of this kernel release.
    Live(PathBuf),
    /// In a file that was named.
    Named(PathBuf),
}

impl CacheFile {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Nowhere => None,
            Self::Live(path) | Self::Named(path) => Some(path),
        }
    }
}

/// Why a cache is not used.
#[derive(Debug, thiserror::Error)]
pub enum CacheRefused {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a directory, a device or the like.
    #[error("not a regular file")]
    NotRegular,
    /// Somebody else could have written it.
    #[error("it belongs to, or can be written by, somebody else")]
    Untrusted,
    /// It is larger than any cache.
    #[error("too large")]
    TooLarge,
    /// Its contents.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// The bytes of a cache, or why it is not used; empty until somebody wants to know.
pub type Stored = OnceLock<Result<Vec<u8>, CacheRefused>>;

/// The bytes of a cache; none if there is no cache yet.
///
/// # Errors
/// [`CacheRefused`].
pub fn load(place: &CacheFile) -> Result<Vec<u8>, CacheRefused> {
    let Some(path) = place.path() else { return Ok(Vec::new()) };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened =
        OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(CacheRefused::NotRegular);
    }
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(CacheRefused::Untrusted);
    }
    if metadata.len() > LARGEST {
        return Err(CacheRefused::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Entries of the bytes that [`load`] gave.
///
/// # Errors
/// [`CacheRefused::Unusable`].
pub fn decode(bytes: &[u8]) -> Result<Cache<'_>, CacheRefused> {
    if bytes.is_empty() { Ok(Cache::default()) } else { Ok(Cache::decode(bytes)?) }
}

/// Replaces the cache by what was written; in the live system's cache, files of kernels that are gone are removed.
///
/// # Errors
/// Whatever the file system said; the old cache is then still there.
pub fn store(place: &CacheFile, written: Writer) -> io::Result<()> {
    let Some(path) = place.path() else { return Ok(()) };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(place, CacheFile::Live(_)) {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        prune(directory, &paths::live_modules());
    }
    let (temporary, mut file) = create_temporary(directory, path.file_name().unwrap_or_default())?;
    let written = file.write_all(&written.finish()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Names that are tried for a temporary file; one that is taken belongs to a process in another PID namespace.
const NAMES: u32 = 100;

/// A file beside the cache, locked as long as this run lives.
fn create_temporary(directory: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.{number}", std::process::id()));
        let path = directory.join(hidden);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => number += 1,
            created => {
                let file = created?;
                // Whether it is locked matters only to a run that cleans up; not every file system has locks.
                let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                return Ok((path, file));
            }
        }
    }
}

/// Removes a cache, if there is one.
///
/// # Errors
/// Whatever the file system said.
pub fn remove(cache: &CacheFile) -> io::Result<()> {
    let Some(path) = cache.path() else { return Ok(()) };
    match fs::remove_file(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        removed => removed,
    }
}

/// Removes the caches of kernels that have no module directory any more, and what killed runs left; not what other
/// runs are about to write.
fn prune(directory: &Path, modules: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let is_temporary = entry.file_name().as_bytes().starts_with(b".");
        let is_gone = if is_temporary {
            is_abandoned(&entry.path())
        } else {
            !modules.join(entry.file_name()).is_dir()
        };
        if is_file && is_gone {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened =
        OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path);
    opened.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_cache_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let place = CacheFile::Named(cache.clone());
        store(&place, Writer::default()).unwrap();
        assert!(decode(&load(&place).unwrap()).unwrap().is_empty());
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Untrusted)));
        fs::remove_file(&cache).unwrap();
        assert!(load(&place).unwrap().is_empty());
        std::os::unix::fs::symlink(&module, &cache).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Io(_))));
    }

    #[test]
    fn what_another_run_is_about_to_write_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        let (temporary, file) = create_temporary(root.path(), OsStr::new("6.1")).unwrap();
        let (other, _file) = create_temporary(root.path(), OsStr::new("6.1")).unwrap();
        assert_ne!(temporary, other);
        prune(root.path(), &root.path().join("modules"));
        assert!(temporary.exists() && other.exists());
        drop(file);
        prune(root.path(), &root.path().join("modules"));
        assert!(!temporary.exists() && other.exists(), "its run was killed");
    }

    #[test]
    fn caches_of_kernels_that_are_gone_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let [caches, modules] = ["caches", "modules"].map(|name| root.path().join(name));
        fs::create_dir_all(modules.join("6.1")).unwrap();
        fs::create_dir(&caches).unwrap();
        for name in ["6.1", "5.10", "6.1.99"] {
            fs::write(caches.join(name), "").unwrap();
        }
        prune(&caches, &modules);
        let left: Vec<_> = fs::read_dir(&caches).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["6.1"]);
    }
}
