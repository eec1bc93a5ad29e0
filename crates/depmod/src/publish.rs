//! Puts the files of a database into their directory so that no reader ever sees half of one.
//!
//! 1. A file that would get the bytes it has is left alone: no new inode, nothing to wait for.
//! 2. Every other file is written under a temporary name, where there was no database while others are still made, and
//!    synced before anything is renamed. Waiting for the disk is most of it, so all files wait at once.
//! 3. They are renamed, `modules.dep` last. It bears the moment at which the scan began: what changed during the scan
//!    is newer. Old files are not touched, because snapshots made of hard links share them.
//! 4. The directory is synced.
//!
//! All of it goes through the handle of the directory, which was opened before the modules were looked for: whoever
//! owns the directory above can put another one in its place meanwhile. The file of [`running`](crate::running) is
//! there as long as files are replaced, so that an interrupted run is repaired by the next one.

use std::fs::{File, Permissions};
use std::io;
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use moddb::build::outputs::{Bytes, Output};
use rustix::fs::{Advice, AtFlags, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::output::{MODE, OutputDirectory, REFERENCE, TEMPORARY_PREFIX};
use crate::parallel::{self, Spread};
use crate::running::Running;
use crate::tree::Tree;

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

impl CannotPublish {
    /// What was tried on a file before any was replaced, and what the system said.
    pub fn new(attempt: &'static str, file: &Path, error: impl Into<io::Error>) -> Self {
        Self { attempt, file: file.to_owned(), error: error.into(), mixed: false, missing: None }
    }
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

/// A replacement of files that has begun, by a run that holds the lock or gave up waiting for it.
pub struct Replacement<'a> {
    directory: &'a OutputDirectory,
    running: Running,
}

impl<'a> Replacement<'a> {
    /// Begins one. What killed runs left is removed.
    #[must_use]
    pub fn begin(directory: &'a OutputDirectory, running: Running) -> Self {
        if running.is_held()
            && let Ok(handle) = directory.readable()
        {
            directory.remove_leftovers(&handle);
        }
        Self { directory, running }
    }

    /// Writes an output's file under a temporary name, and has the disk begin with it.
    ///
    /// # Errors
    /// [`CannotPublish`]; no file is left.
    pub fn write(&self, output: &Output) -> Result<Temporary, CannotPublish> {
        let temporary = Temporary::create(self.directory, output.name)?;
        temporary.fill(&output.bytes)?;
        Ok(temporary)
    }

    /// Replaces the files of these outputs, `at_once` at a time. Those that are not `written` are written first.
    ///
    /// # Errors
    /// [`CannotPublish`]; unless it says so, no file was changed and no temporary file is left.
    pub fn finish(
        mut self,
        outputs: &[&Output],
        written: Vec<Temporary>,
        times: Times,
        at_once: NonZero<usize>,
    ) -> Result<(), CannotPublish> {
        let replaced = self.replace(outputs, written, times, at_once);
        if replaced.as_ref().is_err_and(|failure| failure.mixed) {
            self.running.stay();
        }
        replaced
    }

    fn replace(
        &self,
        outputs: &[&Output],
        mut written: Vec<Temporary>,
        times: Times,
        at_once: NonZero<usize>,
    ) -> Result<(), CannotPublish> {
        let directory = self.directory;
        if outputs.is_empty() {
            return Ok(());
        }
        // What renaming would only find out with half of the files replaced.
        let is_barred = |output: &&&Output| {
            directory.stat(output.name).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
        };
        if let Some(barred) = outputs.iter().find(is_barred) {
            return Err(CannotPublish::new("replace", &directory.path_of(barred.name), Errno::ISDIR));
        }
        let mut take = |output: &Output| {
            let place = written.iter().position(|temporary| temporary.target == output.name)?;
            Some(written.swap_remove(place))
        };
        let begun: Vec<_> = outputs.iter().map(|output| (*output, take(output))).collect();
        let spread = Spread { jobs: Some(at_once.min(WRITERS)), batch: 1, in_between: None };
        let hand_all_out = |hand_out: &mut dyn FnMut(_)| begun.into_iter().for_each(hand_out);
        let ((), synced) = parallel::stream(spread, hand_all_out, |(output, written), ()| {
            let mut temporary = written.map_or_else(|| self.write(output), Ok)?;
            temporary.sync(times)?;
            if self.running.is_held() {
                temporary.file = None;
            }
            Ok(temporary)
        });
        match synced.into_iter().collect::<Result<_, _>>() {
            Ok(synced) => self.rename_all(synced),
            Err(error) => Err(self.measured(error, outputs)),
        }
    }

    fn rename_all(&self, mut written: Vec<Temporary>) -> Result<(), CannotPublish> {
        let tree = self.directory.tree();
        written.sort_by_key(|temporary| temporary.target == REFERENCE);
        let mut mixed = false;
        let directory = tree.handle();
        for temporary in &mut written {
            let rename = || rustix::fs::renameat(directory, &temporary.name, directory, temporary.target);
            retry_on_intr(rename).map_err(|errno| {
                let target = self.directory.path_of(temporary.target);
                CannotPublish { mixed, ..CannotPublish::new("replace", &target, errno) }
            })?;
            temporary.is_renamed = true;
            temporary.file = None;
            mixed = true;
        }
        self.directory.readable().and_then(|handle| retry_on_intr(|| rustix::fs::fsync(&handle))).map_err(
            |errno| CannotPublish { mixed, ..CannotPublish::new("sync directory", tree.path(), errno) },
        )
    }

    /// How much room is missing, if it is room that is missing.
    fn measured(&self, mut error: CannotPublish, outputs: &[&Output]) -> CannotPublish {
        let errno = Errno::from_io_error(&error.error);
        if let Some(Errno::NOSPC) = errno
            && let Ok(space) = rustix::fs::fstatvfs(self.directory.tree().handle())
        {
            let block = space.f_frsize.max(1);
            let wanted = outputs.iter().map(|output| (output.bytes.len() as u64).next_multiple_of(block));
            let free = space.f_bavail.saturating_mul(block);
            error.missing = wanted.sum::<u64>().checked_sub(free).filter(|&missing| missing > 0);
        }
        error
    }
}

/// A file under its temporary name; removed when dropped, unless it was renamed.
#[derive(Debug)]
pub struct Temporary {
    tree: Arc<Tree>,
    name: String,
    target: &'static str,
    /// Open as long as its lock shows that it is used.
    file: Option<File>,
    is_renamed: bool,
}

impl Temporary {
    fn create(directory: &OutputDirectory, target: &'static str) -> Result<Self, CannotPublish> {
        let tree = Arc::clone(directory.tree());
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
                Err(errno) => {
                    return Err(CannotPublish::new(
                        "create temporary file",
                        &directory.path_of(&name),
                        errno,
                    ));
                }
                Ok(file) => break File::from(file),
            }
        };
        // Whether it is locked matters only to a run that cleans up; not every file system has locks.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { tree, name, target, file: Some(file), is_renamed: false })
    }

    /// Writes the file.
    fn fill(&self, bytes: &Bytes) -> Result<(), CannotPublish> {
        let Some(file) = self.file.as_ref() else { return Ok(()) };
        // Before the mode is set, nobody else can open it. compat: readable for all (case depmod/output-modes).
        bytes
            .write_to(file)
            .and_then(|()| file.set_permissions(Permissions::from_mode(MODE)))
            .map_err(|error| self.failed("write", error))?;
        // Linux begins to write what is not on the disk yet. That it is not needed here any more is true, too.
        let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
        Ok(())
    }

    /// Waits until the file is on the disk, with its time.
    fn sync(&self, times: Times) -> Result<(), CannotPublish> {
        let Some(file) = self.file.as_ref() else { return Ok(()) };
        if let Some(time) = times.of(self.target) {
            file.set_modified(time).map_err(|error| self.failed("write", error))?;
        }
        retry_on_intr(|| rustix::fs::fsync(file)).map_err(|errno| self.failed("sync", errno))
    }

    fn failed(&self, attempt: &'static str, error: impl Into<io::Error>) -> CannotPublish {
        CannotPublish::new(attempt, &self.tree.path().join(&self.name), error)
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

#[cfg(test)]
mod tests;
