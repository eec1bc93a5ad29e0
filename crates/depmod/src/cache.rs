// long: when a stamp is believed, and what each rule holds against
//! What depmod remembers of modules from run to run, and when it may be believed.
//!
//! A remembered module counts if the file at its path is the same in file system, device, inode, size and both times.
//! That proves something only where the file system keeps a real time of change, and where the change that is noted
//! was over when the file was looked at: the kernel's clock for files must have moved on since. On other file systems
//! the end of a compressed file must be the same too, and plain files are read anew.
//!
//! * Image builders clamp all times. A time of change without nanoseconds is not believed, nor is one that most of many
//!   modules share: it would not tell such an image from another.
//! * Two images on one device have different UUIDs, which ext2 to ext4, btrfs and tmpfs show (`f_fsid`). btrfs makes
//!   up a device number at each mount, so that says nothing there. xfs and f2fs show the device alone, and keep real
//!   times.
//! * A snapshot or a restored backup has the files as they were: with their old stamps, or with the time at which they
//!   were restored as their time of change.
//! * Through a bind mount the same files are seen, by another path, under which nothing is remembered.
//! * overlayfs, NFS, FUSE and FAT are not among those whose times are believed.
//!
//! Modules that could not be read without error are never remembered: their messages belong to every run.
//!
//! The file itself is not trusted: it must belong to the caller, and nobody else may be able to write it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
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
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::paths;
use crate::source::{LastDirectory, ModuleSource};

/// The largest cache that is read, in bytes. That of 40,000 modules has a tenth of it.
const LARGEST: u64 = 1 << 30;

/// Where times are not believed, a file must have been left alone for this long before it is looked at, in nanoseconds.
const LONG_AGO: i128 = 1_000_000_000;

/// How far the kernel's clock for files moves on at a time, at most, in nanoseconds: it ticks a hundred times a second
/// or more often.
const TICK: i128 = 10_000_000;

/// A time of change that more than half of at least this many modules share is not a real one.
const MANY: usize = 64;

/// File systems that note every change of a file with its real time, by their magic numbers: ext2 to ext4, xfs,
/// f2fs, tmpfs.
const KEEP_CHANGE_TIME: [u64; 4] = [0xEF53, 0x5846_5342, 0xF2F5_2010, 0x0102_1994];

/// btrfs, which does as well.
const BTRFS: u64 = 0x9123_683E;

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

/// What a file system's stamps are worth.
#[derive(Clone, Copy, Debug, Default)]
struct FileSystem {
    id: u64,
    keeps_change_time: bool,
    has_device: bool,
}

/// What a thread that looks at files keeps from one to the next.
#[derive(Debug, Default)]
pub struct Looks {
    /// By device: each is asked once.
    file_systems: HashMap<u64, FileSystem, RandomState>,
    /// The way to the files.
    pub directory: LastDirectory,
}

impl Looks {
    fn file_system(&mut self, device: u64, source: &ModuleSource) -> FileSystem {
        let Self { file_systems, directory } = self;
        *file_systems.entry(device).or_insert_with(|| {
            let Ok(info) = directory.file_system(source) else { return FileSystem::default() };
            let kind = u64::try_from(info.f_type).unwrap_or_default();
            FileSystem {
                id: directory.file_system_id(source).unwrap_or_default(),
                keeps_change_time: kind == BTRFS || KEEP_CHANGE_TIME.contains(&kind),
                has_device: kind != BTRFS,
            }
        })
    }

    /// The state of a file, links followed, and whether its times are believed.
    fn state(&mut self, source: &ModuleSource) -> Option<(Stamp, bool)> {
        let stat = self.directory.stat(source).ok()?;
        let file_system = self.file_system(stat.st_dev, source);
        let stamp = Stamp {
            file_system: file_system.id,
            device: if file_system.has_device { stat.st_dev } else { 0 },
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        };
        Some((stamp, file_system.keeps_change_time && stamp.changed.1 != 0))
    }
}

/// What is remembered of a module file, if the file is still what it was.
#[must_use]
pub fn recall<'a>(source: &ModuleSource, cache: &Cache<'a>, looks: &mut Looks) -> Option<Remembered<'a>> {
    let remembered = cache.entry(source.path().as_os_str().as_bytes())?;
    let (stamp, is_believed) = looks.state(source)?;
    if stamp != remembered.stamp {
        return None;
    }
    if is_believed {
        return Some(remembered);
    }
    let mut tail = || looks.directory.open(source).and_then(|module| file::tail(&module));
    let same_end = !remembered.tail.is_empty() && tail().is_ok_and(|tail| tail == remembered.tail);
    same_end.then_some(remembered)
}

/// What a later run may remember of a file that was read; nothing if it could take another file for it.
/// `looked` is the time just before it was opened.
#[must_use]
pub fn stamp_of(
    reading: &Reading,
    source: &ModuleSource,
    looked: SystemTime,
    looks: &mut Looks,
) -> Option<Stamp> {
    let metadata = reading.metadata.as_ref().filter(|_| reading.error.is_none())?;
    let file_system = looks.file_system(metadata.dev(), source);
    let stamp = Stamp {
        file_system: file_system.id,
        device: if file_system.has_device { metadata.dev() } else { 0 },
        inode: metadata.ino(),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    let nanoseconds = |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let looked = i128::try_from(looked.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()?;
    let is_over = if file_system.keeps_change_time {
        // A change from now on gets a time of change that is later by at least one tick.
        nanoseconds(stamp.changed) + 2 * TICK < looked
    } else {
        nanoseconds(stamp.modified).max(nanoseconds(stamp.changed)) + LONG_AGO < looked
    };
    is_over.then_some(stamp)
}

/// Whether the times of change of these files are real ones, and not those of a builder of images.
#[must_use]
pub fn are_real(stamps: &[Stamp]) -> bool {
    let mut times: Vec<(i64, i64)> = stamps.iter().map(|stamp| stamp.changed).collect();
    times.sort_unstable();
    let most = times.chunk_by(|one, other| one == other).map(<[_]>::len).max().unwrap_or_default();
    stamps.len() < MANY || most * 2 <= stamps.len()
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
    let (temporary, mut file) = create_temporary(directory, path.file_name().unwrap_or_default())?;
    let written = file.write_all(&cache::encode(entries)).and_then(|()| fs::rename(&temporary, path));
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
    use std::time::Duration;

    use std::sync::Arc;

    use modfile::ModuleInfo;

    use super::*;
    use crate::tree::Tree;

    fn reading(path: &Path) -> Reading {
        Reading { metadata: Some(fs::metadata(path).unwrap()), ..Reading::default() }
    }

    fn stored(file: &Path, module: &Path, tail: &[u8], later: u64, looks: &mut Looks) -> CacheFile {
        let looked = fs::metadata(module).unwrap().modified().unwrap() + Duration::from_secs(later);
        let info = ModuleInfo::default();
        let place = CacheFile::Named(file.to_owned());
        let stamp = stamp_of(&reading(module), &ModuleSource::named(module), looked, looks);
        let entry =
            stamp.map(|stamp| Entry { path: module.as_os_str().as_bytes(), stamp, tail, info: &info });
        store(&place, entry.into_iter()).unwrap();
        place
    }

    fn recalled(place: &CacheFile, module: &Path, looks: &mut Looks) -> bool {
        let bytes = load(place).unwrap();
        recall(&ModuleSource::named(module), &decode(&bytes).unwrap(), looks).is_some()
    }

    /// Looks that know whether the file system of a file keeps a real time of change.
    fn looks(file: &Path, keeps: bool) -> Looks {
        let device = fs::metadata(file).unwrap().dev();
        let file_system = FileSystem { id: 7, keeps_change_time: keeps, has_device: true };
        Looks {
            file_systems: [(device, file_system)].into_iter().collect(),
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
        let place = stored(&cache, &module, b"", 60, &mut trusted);
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
            let expected = Some(fs::metadata(file(directory)).unwrap().ino());
            let mut state = |name: &str| {
                let source = ModuleSource::inside(&tree, &Path::new(directory).join(name));
                looks.state(&source).map(|(stamp, _)| stamp.inode)
            };
            assert_eq!(state("m.ko"), expected);
            assert_eq!(state("m.link"), expected, "links are followed");
            assert_eq!(state("m.missing"), None);
        }
        let here = Path::new("Cargo.toml");
        let inode = looks.state(&ModuleSource::named(here)).map(|(stamp, _)| stamp.inode);
        assert_eq!(inode, Some(fs::metadata(here).unwrap().ino()));
    }

    #[test]
    fn what_changed_just_before_it_was_looked_at_is_not_remembered() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let mut trusted = looks(&module, true);
        let place = stored(&cache, &module, b"", 0, &mut trusted);
        assert!(!recalled(&place, &module, &mut trusted));
    }

    #[test]
    fn where_the_time_of_change_proves_nothing_the_end_of_a_compressed_file_must_be_the_same() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko.xz"].map(|name| root.path().join(name));
        fs::write(&module, "packed").unwrap();
        let mut untrusted = looks(&module, false);
        assert!(recalled(&stored(&cache, &module, b"packed", 60, &mut untrusted), &module, &mut untrusted));
        assert!(!recalled(&stored(&cache, &module, b"another", 60, &mut untrusted), &module, &mut untrusted));
        assert!(
            !recalled(&stored(&cache, &module, b"", 60, &mut untrusted), &module, &mut untrusted),
            "a plain file"
        );
    }

    #[test]
    fn a_cache_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let place = stored(&cache, &module, b"", 60, &mut Looks::default());
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Untrusted)));
        fs::remove_file(&cache).unwrap();
        assert!(load(&place).unwrap().is_empty());
        std::os::unix::fs::symlink(&module, &cache).unwrap();
        assert!(matches!(load(&place), Err(CacheRefused::Io(_))));
    }

    #[test]
    fn another_file_system_on_the_same_device_is_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let [cache, module] = ["cache", "a.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        let mut first = looks(&module, true);
        let place = stored(&cache, &module, b"", 60, &mut first);
        let mut second = looks(&module, true);
        second.file_systems.values_mut().for_each(|file_system| file_system.id = 8);
        assert!(!recalled(&place, &module, &mut second));
    }

    #[test]
    fn times_that_a_builder_of_images_sets_prove_nothing() {
        let stamp =
            |changed| Stamp { file_system: 1, device: 2, inode: 3, size: 4, modified: (5, 6), changed };
        let same = [stamp((1_000_000, 5)); MANY];
        assert!(!are_real(&same));
        assert!(are_real(&same[..MANY - 1]), "a small tree may be written at once");
        let spread: Vec<Stamp> = (0..64).map(|second| stamp((second / 2, 5))).collect();
        assert!(are_real(&spread));
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join("a.ko");
        fs::write(&module, "module").unwrap();
        let state = looks(&module, true).state(&ModuleSource::named(&module)).unwrap();
        assert_eq!(state.1, state.0.changed.1 != 0);
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
