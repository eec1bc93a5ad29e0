//! What depmod remembers of modules from run to run, and when it may be believed.
//!
//! A remembered module counts if the file at its path is the same in device, inode, size and both times. That
//! proves something only where the file system keeps a real time of change and where the last change is old
//! enough to be told from another one; so what changed shortly before a run began is not remembered by it, and
//! on other file systems the end of a compressed file must be the same too, and plain files are read anew.
//! Modules that could not be read without error are never remembered: their messages belong to every run.
//!
//! The file itself is not trusted: it must belong to the caller, and to nobody else's writing.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use moddb::cache::{self, Cache, Entry, Remembered, Stamp, Unusable};
use modfile::file;
use modfile::info::Reading;
use rustix::fs::OFlags;

use crate::paths;
use crate::source::{LastDirectory, ModuleSource};

/// The largest cache that is read, in bytes. That of 40,000 modules has a tenth of it.
const LARGEST: u64 = 1 << 30;

/// How long before the start of a run a file must have been left alone, in nanoseconds. Clocks of file systems
/// tick every few milliseconds.
const GRAIN: i128 = 1_000_000_000;

/// File systems that note every change of a file with its real time, by their magic numbers: ext2 to ext4, xfs,
/// btrfs, f2fs, tmpfs.
const KEEP_CHANGE_TIME: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];

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

/// What a thread that looks at files keeps from one to the next.
#[derive(Debug, Default)]
pub struct Looks {
    /// Which file systems keep a real time of change, by device: asked once for each.
    keep_change_time: HashMap<u64, bool, RandomState>,
    /// The way to the files.
    pub directory: LastDirectory,
}

impl Looks {
    fn keeps_change_time(&mut self, device: u64, source: &ModuleSource) -> bool {
        let Self { keep_change_time, directory } = self;
        *keep_change_time.entry(device).or_insert_with(|| {
            directory.file_system(source).is_ok_and(|info| {
                u64::try_from(info.f_type).is_ok_and(|kind| KEEP_CHANGE_TIME.contains(&kind))
            })
        })
    }

    /// The state of a file, links followed.
    fn state(&mut self, source: &ModuleSource) -> Option<Stamp> {
        let stat = self.directory.stat(source).ok()?;
        Some(Stamp {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }
}

/// What is remembered of a module file, if the file is still what it was.
#[must_use]
pub fn recall<'a>(source: &ModuleSource, cache: &Cache<'a>, looks: &mut Looks) -> Option<Remembered<'a>> {
    let remembered = cache.entry(source.path().as_os_str().as_bytes())?;
    if looks.state(source)? != remembered.stamp {
        return None;
    }
    if looks.keeps_change_time(remembered.stamp.device, source) {
        return Some(remembered);
    }
    let mut tail = || looks.directory.open(source).and_then(|module| file::tail(&module));
    let same_end = !remembered.tail.is_empty() && tail().is_ok_and(|tail| tail == remembered.tail);
    same_end.then_some(remembered)
}

/// What a later run may remember of a file that was just read; nothing if it could not be told from another
/// one then.
#[must_use]
pub fn stamp_of(reading: &Reading, began: SystemTime) -> Option<Stamp> {
    let metadata = reading.metadata.as_ref().filter(|_| reading.error.is_none())?;
    let stamp = stamp(metadata);
    let nanoseconds = |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let began = i128::try_from(began.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()?;
    let last = nanoseconds(stamp.modified).max(nanoseconds(stamp.changed));
    (last + GRAIN < began).then_some(stamp)
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Replaces the cache by these entries; in the live system's cache, files of kernels that are gone are removed.
///
/// # Errors
/// Whatever the file system said; the old cache is then still there.
pub fn store<'a>(place: &CacheFile, entries: impl Iterator<Item = Entry<'a>>) -> io::Result<()> {
    let Some(path) = place.path() else { return Ok(()) };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(place, CacheFile::Live(_)) {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        prune(directory, &paths::live_modules());
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = write_new(&temporary, &cache::encode(entries)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
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

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a run with the same process id left behind.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Removes the caches of kernels that have no module directory any more, and what killed runs left.
fn prune(directory: &Path, modules: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && !modules.join(entry.file_name()).is_dir() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use std::sync::Arc;

    use modfile::ModuleInfo;

    use super::*;
    use crate::tree::Tree;

    fn reading(path: &Path) -> Reading {
        Reading { metadata: Some(fs::metadata(path).unwrap()), ..Reading::default() }
    }

    fn stored(file: &Path, module: &Path, tail: &[u8], later: u64) -> CacheFile {
        let began = SystemTime::now() + Duration::from_secs(later);
        let info = ModuleInfo::default();
        let place = CacheFile::Named(file.to_owned());
        let entry = stamp_of(&reading(module), began).map(|stamp| Entry {
            path: module.as_os_str().as_bytes(),
            stamp,
            tail,
            info: &info,
        });
        store(&place, entry.into_iter()).unwrap();
        place
    }

    fn recalled(place: &CacheFile, module: &Path, looks: &mut Looks) -> bool {
        let bytes = load(place).unwrap();
        recall(&ModuleSource::named(module), &decode(&bytes).unwrap(), looks).is_some()
    }

    /// Looks of one who knows whether the file system of a file keeps a real time of change.
    fn looks(file: &Path, keeps: bool) -> Looks {
        let device = fs::metadata(file).unwrap().dev();
        Looks {
            keep_change_time: [(device, keeps)].into_iter().collect(),
            directory: LastDirectory::default(),
        }
    }

    #[test]
    fn a_file_is_recalled_until_anything_of_it_changes() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module, other] = ["cache", "a.ko", "b.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        fs::write(&other, "module").unwrap();
        let mut trusted = looks(&module, true);
        let place = stored(&cache, &module, b"", 60);
        assert!(recalled(&place, &module, &mut trusted));
        assert!(!recalled(&place, &other, &mut trusted));
        fs::set_permissions(&module, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!recalled(&place, &module, &mut trusted), "the time of change has changed");
    }

    #[test]
    fn files_of_one_name_in_several_directories_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let file = |directory: &str| root.path().join(directory).join("m.ko");
        for directory in ["a", "b", "a/c"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
            fs::write(file(directory), "module").unwrap();
            std::os::unix::fs::symlink("m.ko", file(directory).with_extension("link")).unwrap();
        }
        let tree = Arc::new(Tree::open(root.path(), false).unwrap());
        let mut looks = Looks::default();
        for directory in ["a", "b", "a", "a/c"] {
            let expected = Some(stamp(&fs::metadata(file(directory)).unwrap()));
            let mut state =
                |name: &str| looks.state(&ModuleSource::inside(&tree, &Path::new(directory).join(name)));
            assert_eq!(state("m.ko"), expected);
            assert_eq!(state("m.link"), expected, "links are followed");
            assert_eq!(state("m.missing"), None);
        }
        let here = Path::new("Cargo.toml");
        assert_eq!(looks.state(&ModuleSource::named(here)), Some(stamp(&fs::metadata(here).unwrap())));
    }

    #[test]
    fn what_changed_shortly_before_the_run_began_is_not_remembered() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let place = stored(&cache, &module, b"", 0);
        let mut trusted = looks(&module, true);
        assert!(!recalled(&place, &module, &mut trusted));
    }

    #[test]
    fn where_the_time_of_change_proves_nothing_the_end_of_a_compressed_file_must_be_the_same() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko.xz"].map(|name| root.path().join(name));
        fs::write(&module, "packed").unwrap();
        let mut untrusted = looks(&module, false);
        assert!(recalled(&stored(&cache, &module, b"packed", 60), &module, &mut untrusted));
        assert!(!recalled(&stored(&cache, &module, b"another", 60), &module, &mut untrusted));
        assert!(!recalled(&stored(&cache, &module, b"", 60), &module, &mut untrusted), "a plain file");
    }

    #[test]
    fn a_cache_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let place = stored(&cache, &module, b"", 60);
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Untrusted)));
        fs::remove_file(&cache).unwrap();
        assert!(load(&place).unwrap().is_empty());
        std::os::unix::fs::symlink(&module, &cache).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Io(_))));
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
