//! Puts the files of a database into their directory so that no reader ever sees half of one.
//!
//! 1. A file that would get the bytes it has is left alone: no new inode, nothing to wait for.
//! 2. Every other file is written under a temporary name and synced before anything is renamed. Waiting for the disk
//!    is most of it, so all files wait at once.
//! 3. They are renamed, `modules.dep` last. It bears the moment at which the scan began: what changed during the scan
//!    is newer. Old files are not touched, because snapshots made of hard links share them.
//! 4. The directory is synced.
//!
//! All of it goes through the handle of the directory, which was opened before the modules were looked for: whoever
//! owns the directory above can put another one in its place meanwhile. The file of [`running`](crate::running) is
//! there as long as files are replaced, so that an interrupted run is repaired by the next one.

// long: one directory, from what is there to what is synced, with its tests

use std::fs::{File, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use moddb::build::outputs::{Bytes, Output};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RawDir, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::parallel::{self, Spread};
use crate::running::{self, Running};
use crate::tree::Tree;

/// The file whose time tells how old the database is.
pub const REFERENCE: &str = "modules.dep";

/// Temporary files begin so; the process id follows.
const TEMPORARY_PREFIX: &str = ".depmod-";

/// The mode of every file of a database.
const MODE: u32 = 0o644;

/// Files that are written at a time: enough for the disk, and each thread takes memory.
const WRITERS: NonZero<usize> = NonZero::new(4).unwrap();

/// As many names are tried for a temporary file. One that is taken belongs to a process in another PID namespace.
const NAMES: usize = 100;

/// Why a database was not published.
#[derive(Debug)]
pub struct CannotPublish {
    /// What was tried, as a verb.
    pub attempt: &'static str,
    /// On what.
    pub file: PathBuf,
    /// What the system said.
    pub error: io::Error,
    /// Whether some files had been replaced already.
    pub mixed: bool,
    /// How many bytes the file system lacks, if that is why.
    pub missing: Option<u64>,
}

/// The times that files of a database get.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When the modules began to be looked for.
    pub scan_began: SystemTime,
    /// No file gets a later one.
    pub latest: Option<SystemTime>,
}

impl Times {
    /// The time of a file; nothing for the time at which it is written.
    fn of(self, name: &str) -> Option<SystemTime> {
        let time = if name == REFERENCE { self.scan_began } else { SystemTime::now() };
        match self.latest {
            Some(latest) if latest < time => Some(latest),
            _ => (name == REFERENCE).then_some(time),
        }
    }
}

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

    /// Replaces the files of these outputs, `at_once` at a time.
    ///
    /// # Errors
    /// [`CannotPublish`]; unless it says so, no file was changed and no temporary file is left.
    pub fn publish(
        &self,
        outputs: &[&Output],
        running: &Running,
        times: Times,
        at_once: NonZero<usize>,
    ) -> Result<(), CannotPublish> {
        if running.is_held()
            && let Ok(handle) = self.readable()
        {
            self.remove_leftovers(&handle);
        }
        if outputs.is_empty() {
            return Ok(());
        }
        // What renaming would only find out with half of the files replaced.
        let is_barred = |output: &&&Output| {
            self.stat(output.name).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
        };
        if let Some(barred) = outputs.iter().find(is_barred) {
            return Err(failure("replace", &self.path_of(barred.name), Errno::ISDIR));
        }
        let spread = Spread { jobs: Some(at_once.min(WRITERS)), batch: 1 };
        let written = parallel::map(outputs.len(), spread, |number, ()| {
            let Some(output) = outputs.get(number) else { return Ok(None) };
            let mut temporary = Temporary::create(self, output.name)?;
            temporary.fill(&output.bytes, times)?;
            if running.is_held() {
                temporary.file = None;
            }
            Ok(Some(temporary))
        });
        let written: Result<Vec<_>, _> = written.into_iter().collect();
        match written {
            Ok(written) => self.rename_all(written.into_iter().flatten().collect()),
            Err(error) => Err(self.measured(error, outputs)),
        }
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

    fn rename_all(&self, mut written: Vec<Temporary>) -> Result<(), CannotPublish> {
        written.sort_by_key(|temporary| temporary.target == REFERENCE);
        let mut mixed = false;
        let directory = self.tree.handle();
        for temporary in &mut written {
            let rename = || rustix::fs::renameat(directory, &temporary.name, directory, temporary.target);
            retry_on_intr(rename).map_err(|errno| {
                let target = self.path_of(temporary.target);
                CannotPublish { mixed, ..failure("replace", &target, errno) }
            })?;
            temporary.is_renamed = true;
            temporary.file = None;
            mixed = true;
        }
        self.readable()
            .and_then(|handle| retry_on_intr(|| rustix::fs::fsync(&handle)))
            .map_err(|errno| CannotPublish { mixed, ..failure("sync directory", self.tree.path(), errno) })
    }

    /// The directory, to be synced and listed: the tree's own handle can do neither.
    fn readable(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::openat(self.tree.handle(), c".", flags, Mode::empty()))
    }

    /// How much room is missing, if it is room that is missing.
    fn measured(&self, mut error: CannotPublish, outputs: &[&Output]) -> CannotPublish {
        let errno = Errno::from_io_error(&error.error);
        if let Some(Errno::NOSPC) = errno
            && let Ok(space) = rustix::fs::fstatvfs(self.tree.handle())
        {
            let block = space.f_frsize.max(1);
            let wanted = outputs.iter().map(|output| (output.bytes.len() as u64).next_multiple_of(block));
            let free = space.f_bavail.saturating_mul(block);
            error.missing = wanted.sum::<u64>().checked_sub(free).filter(|&missing| missing > 0);
        }
        error
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }

    /// Removes what killed runs left behind. A file that is locked belongs to a run that went on without waiting
    /// for the others.
    fn remove_leftovers(&self, handle: &OwnedFd) {
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

/// A file under its temporary name; removed when dropped, unless it was renamed.
#[derive(Debug)]
struct Temporary {
    tree: Arc<Tree>,
    name: String,
    target: &'static str,
    /// Open as long as its lock shows that it is used.
    file: Option<File>,
    is_renamed: bool,
}

impl Temporary {
    fn create(directory: &OutputDirectory, target: &'static str) -> Result<Self, CannotPublish> {
        let tree = Arc::clone(&directory.tree);
        let pid = std::process::id();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut name = format!("{TEMPORARY_PREFIX}{pid}-{target}");
        let mut number = 1;
        let file = loop {
            match retry_on_intr(|| rustix::fs::openat(tree.handle(), &name, flags, mode)) {
                Err(Errno::EXIST) if number < NAMES => {
                    name = format!("{TEMPORARY_PREFIX}{pid}.{number}-{target}");
                    number += 1;
                }
                Err(errno) => return Err(failure("create temporary file", &directory.path_of(&name), errno)),
                Ok(file) => break File::from(file),
            }
        };
        // Whether it is locked matters only to a run that cleans up; not every file system has locks.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { tree, name, target, file: Some(file), is_renamed: false })
    }

    /// Writes the file and waits until it is on the disk.
    fn fill(&self, bytes: &Bytes, times: Times) -> Result<(), CannotPublish> {
        let path = self.tree.path().join(&self.name);
        let failed = |attempt, error: io::Error| failure(attempt, &path, error);
        let Some(file) = self.file.as_ref() else { return Ok(()) };
        // Before the mode is set, nobody else can open it. compat: readable for all (case depmod/output-modes).
        bytes
            .write_to(file)
            .and_then(|()| file.set_permissions(Permissions::from_mode(MODE)))
            .and_then(|()| times.of(self.target).map_or(Ok(()), |time| file.set_modified(time)))
            .map_err(|error| failed("write", error))?;
        retry_on_intr(|| rustix::fs::fsync(file)).map_err(|errno| failed("sync", errno.into()))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            let remove = || rustix::fs::unlinkat(self.tree.handle(), &self.name, AtFlags::empty());
            let _ = retry_on_intr(remove);
        }
    }
}

fn failure(attempt: &'static str, file: &Path, error: impl Into<io::Error>) -> CannotPublish {
    CannotPublish { attempt, file: file.to_owned(), error: error.into(), mixed: false, missing: None }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use moddb::build::outputs::OutputKind;

    use super::*;
    use crate::messages::Silent;
    use crate::running::PATIENCE;

    const ALL: NonZero<usize> = NonZero::<usize>::MAX;

    fn output(name: &'static str, text: &str) -> Output {
        Output { name, kind: OutputKind::Text, bytes: text.into() }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn opened(root: &Path) -> (OutputDirectory, Running) {
        let tree = Arc::new(Tree::open(root, false).unwrap());
        (OutputDirectory::new(&tree), Running::begin(&tree, &Silent, PATIENCE).unwrap())
    }

    fn publish(root: &Path, outputs: &[Output], times: Times) -> Result<(), CannotPublish> {
        let (directory, running) = opened(root);
        directory.publish(&outputs.iter().collect::<Vec<_>>(), &running, times, ALL)
    }

    fn times(scan_began: u64, latest: Option<u64>) -> Times {
        let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Times { scan_began: time(scan_began), latest: latest.map(time) }
    }

    #[test]
    fn files_appear_whole_with_their_mode_and_the_reference_with_its_time() {
        let root = tempfile::tempdir().unwrap();
        let outputs = [output(REFERENCE, "a"), output("modules.alias", "b")];
        publish(root.path(), &outputs, times(1_000_000, None)).unwrap();
        assert_eq!(names(root.path()), ["modules.alias", "modules.dep"]);
        let metadata = fs::metadata(root.path().join(REFERENCE)).unwrap();
        assert_eq!(metadata.modified().unwrap(), times(1_000_000, None).scan_began);
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read(root.path().join("modules.alias")).unwrap(), b"b");
    }

    #[test]
    fn no_file_gets_a_later_time_than_it_may() {
        let root = tempfile::tempdir().unwrap();
        let outputs = [output(REFERENCE, "a"), output("modules.alias", "b")];
        for (began, latest) in [(1_000_000, 2_000), (1_000, 2_000)] {
            publish(root.path(), &outputs, times(began, Some(latest))).unwrap();
            let seconds = |name: &str| {
                let modified = fs::metadata(root.path().join(name)).unwrap().modified().unwrap();
                modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
            };
            assert_eq!((seconds(REFERENCE), seconds("modules.alias")), (began.min(latest), latest));
        }
    }

    #[test]
    fn a_failure_before_the_first_rename_changes_nothing_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(REFERENCE), "old").unwrap();
        let outputs = [output(REFERENCE, "a"), output("missing-directory/modules.alias", "b")];
        let error = publish(root.path(), &outputs, times(0, None)).unwrap_err();
        assert!(!error.mixed);
        assert_eq!(names(root.path()), [REFERENCE]);
        assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"old");
    }

    #[test]
    fn a_directory_where_a_file_belongs_is_found_before_anything_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(REFERENCE), "old").unwrap();
        fs::create_dir(root.path().join("modules.softdep")).unwrap();
        let outputs = [output(REFERENCE, "a"), output("modules.alias", "b"), output("modules.softdep", "c")];
        let error = publish(root.path(), &outputs, times(0, None)).unwrap_err();
        assert!(!error.mixed);
        assert_eq!(error.file, root.path().join("modules.softdep"));
        assert_eq!(names(root.path()), [REFERENCE, "modules.softdep"]);
        assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"old");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_but_not_what_a_living_one_uses() {
        let root = tempfile::tempdir().unwrap();
        let [dead, alive] = ["1-modules.dep", "2-modules.dep"]
            .map(|name| root.path().join(format!("{TEMPORARY_PREFIX}{name}")));
        fs::write(&dead, "").unwrap();
        let living = File::create(&alive).unwrap();
        flock(&living, FlockOperation::LockExclusive).unwrap();
        publish(root.path(), &[output(REFERENCE, "a")], times(0, None)).unwrap();
        assert_eq!(names(root.path()), [".depmod-2-modules.dep", REFERENCE]);
    }

    #[test]
    fn a_name_that_a_process_of_the_same_number_uses_is_not_taken_from_it() {
        let root = tempfile::tempdir().unwrap();
        let taken = format!("{TEMPORARY_PREFIX}{}-{REFERENCE}", std::process::id());
        let other = File::create(root.path().join(&taken)).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        publish(root.path(), &[output(REFERENCE, "a")], times(0, None)).unwrap();
        assert_eq!(names(root.path()), [taken.as_str(), REFERENCE]);
        assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"a");
    }

    #[test]
    fn a_file_is_as_it_should_be_if_bytes_mode_and_kind_are() {
        let root = tempfile::tempdir().unwrap();
        let long = "x".repeat(200_000);
        let outputs = [output(REFERENCE, &long)];
        publish(root.path(), &outputs, times(0, None)).unwrap();
        let path = root.path().join(REFERENCE);
        let differs = || {
            let (directory, _running) = opened(root.path());
            !outputs.iter().all(|output| directory.has(output))
        };
        assert!(!differs());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(differs());
        fs::write(&path, format!("{}y", &long[1..])).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(differs());
        fs::write(&path, &long).unwrap();
        assert!(!differs());
        fs::rename(&path, root.path().join("elsewhere")).unwrap();
        assert!(differs());
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(differs());
    }
}
