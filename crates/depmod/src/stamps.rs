// long: when a stamp is believed, and what each rule holds against
//! When the state of a file or directory proves that it is what it was.
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
//! * Whoever holds a file mapped can write into it and change no time, once a page was written to before: on tmpfs for
//!   good, elsewhere until the page is on the disk. Nothing that installs modules does so; `--no-cache` reads them.
//!
//! The same holds for directories and for the files of a database, except that nothing but a believed time of change
//! counts for them: whatever is made, removed or renamed in a directory changes its times, as its own file system
//! keeps them, and what is mounted on it has another device.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use moddb::cache::{Cache, Remembered, Stamp};
use modfile::file;
use modfile::info::Reading;
use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};

use crate::source::{LastDirectory, ModuleSource};

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

/// A stamp, and what it is worth.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// The stamp.
    pub stamp: Stamp,
    /// Whether the file system keeps a real time of change.
    keeps_change_time: bool,
}

impl Judged {
    /// Whether the stamp alone proves that something is what it was.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.keeps_change_time && self.stamp.changed.1 != 0
    }

    /// Whether a change from the moment on at which it was looked at would give another stamp.
    #[must_use]
    pub fn was_over(&self, looked: SystemTime) -> bool {
        let Self { stamp, keeps_change_time } = self;
        let nanoseconds =
            |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let Ok(looked) = looked.duration_since(UNIX_EPOCH).map(|since| since.as_nanos()) else {
            return false;
        };
        let looked = i128::try_from(looked).unwrap_or_default();
        if *keeps_change_time {
            // Such a change gets a time of change that is later by at least one tick.
            nanoseconds(stamp.changed) + 2 * TICK < looked
        } else {
            nanoseconds(stamp.modified).max(nanoseconds(stamp.changed)) + LONG_AGO < looked
        }
    }
}

/// The time by the clock for files, if it is that much later than that says. The finer clock may be ahead by more than a
/// tick: in a virtual machine the processor that moves the other one on may have to wait for its host.
#[must_use]
pub fn now(ahead: Duration) -> SystemTime {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    // Before 1970 nothing is believed.
    let since = Duration::try_from(time).unwrap_or_default();
    UNIX_EPOCH + since + ahead
}

impl Looks {
    /// The stamp of what `stat` was said of; `open` opens it.
    pub fn judge(&mut self, stat: &Stat, open: impl FnOnce() -> Option<OwnedFd>) -> Option<Judged> {
        let file_system = *self.file_systems.entry(stat.st_dev).or_insert_with(|| FileSystem::of(open()));
        let stamp = Stamp {
            file_system: file_system.id,
            device: if file_system.has_device { stat.st_dev } else { 0 },
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        };
        Some(Judged { stamp, keeps_change_time: file_system.keeps_change_time })
    }

    /// The stamp of a file, links followed.
    pub fn state(&mut self, source: &ModuleSource) -> Option<Judged> {
        let stat = source.stat().ok()?;
        self.judge(&stat, || source.handle().ok())
    }

    /// The stamp of a file that was opened.
    fn opened(&mut self, metadata: &Metadata, source: &ModuleSource) -> Judged {
        let device = metadata.dev();
        let of = || FileSystem::of(source.handle().ok());
        let file_system = *self.file_systems.entry(device).or_insert_with(of);
        let stamp = Stamp {
            file_system: file_system.id,
            device: if file_system.has_device { device } else { 0 },
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        Judged { stamp, keeps_change_time: file_system.keeps_change_time }
    }
}

impl FileSystem {
    /// What the file system of an open file is worth; nothing, if it cannot be asked.
    fn of(handle: Option<OwnedFd>) -> Self {
        let Some(handle) = handle else { return Self::default() };
        let Ok(info) = rustix::fs::fstatfs(&handle) else { return Self::default() };
        let kind = u64::try_from(info.f_type).unwrap_or_default();
        Self {
            id: rustix::fs::fstatvfs(&handle).map(|info| info.f_fsid).unwrap_or_default(),
            keeps_change_time: kind == BTRFS || KEEP_CHANGE_TIME.contains(&kind),
            has_device: kind != BTRFS,
        }
    }
}

/// What is remembered of a module file, if the file is still what it was.
#[must_use]
pub fn recall<'a>(source: &ModuleSource, cache: &Cache<'a>, looks: &mut Looks) -> Option<Remembered<'a>> {
    let remembered = cache.entry(source.path().as_os_str().as_bytes())?;
    let judged = looks.state(source)?;
    if judged.stamp != remembered.stamp {
        return None;
    }
    if judged.is_believed() {
        return Some(remembered);
    }
    let mut tail = || looks.directory.open(source, None).and_then(|module| file::tail(&module));
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
    let judged = looks.opened(metadata, source);
    judged.was_over(looked).then_some(judged.stamp)
}

/// Whether the times of change of these files are real ones, and not those of a builder of images.
#[must_use]
pub fn are_real(stamps: &[Stamp]) -> bool {
    let mut times: Vec<(i64, i64)> = stamps.iter().map(|stamp| stamp.changed).collect();
    times.sort_unstable();
    let most = times.chunk_by(|one, other| one == other).map(<[_]>::len).max().unwrap_or_default();
    stamps.len() < MANY || most * 2 <= stamps.len()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Arc;

    use moddb::cache::{Entry, Writer};
    use modfile::ModuleInfo;

    use super::*;
    use crate::tree::Tree;

    fn reading(path: &Path) -> Reading {
        Reading { metadata: Some(fs::metadata(path).unwrap()), ..Reading::default() }
    }

    /// A cache with this module in it, if it may be remembered.
    fn stored(module: &Path, tail: &[u8], later: u64, looks: &mut Looks) -> Vec<u8> {
        let looked = fs::metadata(module).unwrap().modified().unwrap() + Duration::from_secs(later);
        let mut writer = Writer::default();
        if let Some(stamp) = stamp_of(&reading(module), &ModuleSource::named(module), looked, looks) {
            let path = module.as_os_str().as_bytes();
            writer.module(&Entry { path, recorded: 0, stamp, tail, info: &ModuleInfo::default() });
        }
        writer.finish()
    }

    fn recalled(cache: &[u8], module: &Path, looks: &mut Looks) -> bool {
        recall(&ModuleSource::named(module), &Cache::decode(cache).unwrap(), looks).is_some()
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
        let [module, other] = ["a.ko", "b.ko"].map(|name| root.path().join(name));
        fs::write(&module, "module").unwrap();
        fs::write(&other, "module").unwrap();
        let mut trusted = looks(&module, true);
        let place = stored(&module, b"", 60, &mut trusted);
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
                looks.state(&source).map(|judged| judged.stamp.inode)
            };
            assert_eq!(state("m.ko"), expected);
            assert_eq!(state("m.link"), expected, "links are followed");
            assert_eq!(state("m.missing"), None);
        }
        let here = Path::new("Cargo.toml");
        let inode = looks.state(&ModuleSource::named(here)).map(|judged| judged.stamp.inode);
        assert_eq!(inode, Some(fs::metadata(here).unwrap().ino()));
    }

    #[test]
    fn a_change_is_not_earlier_than_the_time_at_which_a_file_was_looked_at_before() {
        let root = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = root.path().join("a.ko");
        for _ in 0..200 {
            let looked = now(Duration::ZERO);
            fs::write(&file, "module").unwrap();
            let metadata = fs::metadata(&file).unwrap();
            let changed = Duration::new(
                metadata.ctime().try_into().unwrap(),
                metadata.ctime_nsec().try_into().unwrap(),
            );
            assert!(UNIX_EPOCH + changed >= looked);
        }
    }

    #[test]
    fn what_changed_just_before_it_was_looked_at_is_not_remembered() {
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join("a.ko");
        fs::write(&module, "module").unwrap();
        let mut trusted = looks(&module, true);
        let place = stored(&module, b"", 0, &mut trusted);
        assert!(!recalled(&place, &module, &mut trusted));
    }

    #[test]
    fn where_the_time_of_change_proves_nothing_the_end_of_a_compressed_file_must_be_the_same() {
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join("a.ko.xz");
        fs::write(&module, "packed").unwrap();
        let mut untrusted = looks(&module, false);
        assert!(recalled(&stored(&module, b"packed", 60, &mut untrusted), &module, &mut untrusted));
        assert!(!recalled(&stored(&module, b"another", 60, &mut untrusted), &module, &mut untrusted));
        assert!(
            !recalled(&stored(&module, b"", 60, &mut untrusted), &module, &mut untrusted),
            "a plain file"
        );
    }

    #[test]
    fn another_file_system_on_the_same_device_is_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join("a.ko");
        fs::write(&module, "module").unwrap();
        let mut first = looks(&module, true);
        let place = stored(&module, b"", 60, &mut first);
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
        assert_eq!(state.is_believed(), state.stamp.changed.1 != 0);
    }
}
