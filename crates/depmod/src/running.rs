//! The file that a run keeps in the output directory while it replaces a database.
//!
//! It is made so that only one run can have made it, and locked as long as that run lives. So it is two things: the
//! lock between runs, and the mark of one that was killed, which is a file that nobody holds. Nobody but its owner
//! can open it, so nobody else can hold it, and a program that locks the directory itself does not block the depmod
//! that it starts.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use modcli::Severity;
use modstate::{Clock, SystemClock};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::messages::{self, Say};
use crate::tree::Tree;

/// The file's name.
pub const NAME: &str = moddb::paths::DEPMOD_RUNNING;

/// How a lock that another run holds is waited for.
#[derive(Clone, Copy)]
pub struct Patience<'c> {
    /// What waits.
    pub clock: &'c dyn Clock,
    /// The lock is tried again after this time.
    pub step: Duration,
    /// After this wait the user is told what depmod waits for.
    pub announcement: Duration,
    /// After this wait depmod goes on without the lock.
    pub limit: Duration,
}

/// How long runs wait for each other.
pub const PATIENCE: Patience<'static> = Patience {
    clock: &SystemClock,
    step: Duration::from_millis(50),
    announcement: Duration::from_secs(1),
    limit: Duration::from_secs(30),
};

/// The file, held by this run.
#[derive(Debug)]
pub struct Running {
    tree: Arc<Tree>,
    /// `None` for a run that gave up waiting, and holds nothing.
    held: Option<OwnedFd>,
    stays: bool,
}

/// What one try came to.
enum Try {
    Held(OwnedFd),
    Busy,
    Again,
    Missing,
}

impl Running {
    /// Makes the file, or takes it over from a run that was killed, after waiting for one that is alive.
    ///
    /// # Errors
    /// What the system said.
    pub fn begin(tree: &Arc<Tree>, say: &dyn Say, patience: Patience<'_>) -> Result<Self, Errno> {
        Self::acquire(tree, say, patience, true)?.ok_or(Errno::NOENT)
    }

    /// Waits for a run that is alive, or takes the file over from one that was killed; `None` if there is none.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_over(tree: &Arc<Tree>, say: &dyn Say, patience: Patience<'_>) -> Result<Option<Self>, Errno> {
        Self::acquire(tree, say, patience, false)
    }

    fn acquire(
        tree: &Arc<Tree>,
        say: &dyn Say,
        patience: Patience<'_>,
        makes: bool,
    ) -> Result<Option<Self>, Errno> {
        let running = |held| Self { tree: Arc::clone(tree), held, stays: false };
        let mut waited = Duration::ZERO;
        loop {
            match try_once(tree, makes)? {
                Try::Held(file) => return Ok(Some(running(Some(file)))),
                Try::Missing => return Ok(None),
                Try::Again => continue,
                Try::Busy => {}
            }
            if waited >= patience.limit {
                let seconds = patience.limit.as_secs();
                say.say(Severity::Warning, messages::waited_enough(tree.path(), seconds));
                return Ok(Some(running(None)));
            }
            patience.clock.pause(patience.step);
            let before = waited;
            waited += patience.step;
            if before < patience.announcement && waited >= patience.announcement {
                say.say(Severity::Warning, messages::waiting(tree.path()));
            }
        }
    }

    /// Whether this run is the only one.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Leaves the file behind, so that the next run takes this one for one that was killed.
    pub fn stay(&mut self) {
        self.stays = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Before the lock goes: whoever waits for it then finds that the file is not there any more.
        if self.held.is_some() && !self.stays {
            let _ = retry_on_intr(|| rustix::fs::unlinkat(self.tree.handle(), NAME, AtFlags::empty()));
        }
    }
}

fn try_once(tree: &Tree, makes: bool) -> Result<Try, Errno> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |flags, mode| retry_on_intr(|| rustix::fs::openat(tree.handle(), NAME, flags, mode));
    if makes {
        let new = flags | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        match open(new, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            opened => {
                let file = opened?;
                return Ok(match lock(&file) {
                    // Another run was quicker to lock what this one made, and takes it for a leftover.
                    Err(Errno::WOULDBLOCK) => Try::Busy,
                    // A file system without locks.
                    _ => Try::Held(file),
                });
            }
        }
    }
    let file = match open(flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::NOENT) if makes => return Ok(Try::Again),
        Err(Errno::NOENT) => return Ok(Try::Missing),
        // A depmod does not make such a thing.
        Err(Errno::LOOP | Errno::NXIO) => {
            rustix::fs::unlinkat(tree.handle(), NAME, AtFlags::empty())?;
            return Ok(Try::Again);
        }
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => {
            rustix::fs::unlinkat(tree.handle(), NAME, AtFlags::empty())?;
            return Ok(Try::Again);
        }
    }
    if lock(&file) == Err(Errno::WOULDBLOCK) {
        return Ok(Try::Busy);
    }
    // The run that held it may have taken it away, and another one may have made it anew.
    match rustix::fs::statat(tree.handle(), NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(now) if (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino) => Ok(Try::Held(file)),
        Ok(_) | Err(Errno::NOENT) => Ok(Try::Again),
        Err(errno) => Err(errno),
    }
}

fn lock(file: impl AsFd) -> Result<(), Errno> {
    retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive))
}

/// Where the file of a directory is.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::messages::{Heard, Silent};

    /// A clock that does not wait, and adds up how long it would have.
    #[derive(Default)]
    struct Waits(std::cell::Cell<Duration>);

    impl Clock for Waits {
        fn since_boot(&self) -> modstate::BootTime {
            modstate::BootTime(0)
        }

        fn since_1970(&self) -> u64 {
            0
        }

        fn pause(&self, time: Duration) {
            self.0.set(self.0.get() + time);
        }
    }

    fn tree(root: &tempfile::TempDir) -> Arc<Tree> {
        Arc::new(Tree::open(root.path(), false).unwrap())
    }

    #[test]
    fn one_run_holds_the_file_until_it_ends_and_then_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(&root);
        let heard = Heard::default();
        assert!(Running::take_over(&tree, &heard, PATIENCE).unwrap().is_none());
        let running = Running::begin(&tree, &heard, PATIENCE).unwrap();
        assert!(running.is_held());
        let other = File::open(path(root.path())).unwrap();
        assert_eq!(lock(&other), Err(Errno::WOULDBLOCK));
        drop(running);
        assert!(!path(root.path()).exists());
        assert_eq!(lock(&other), Ok(()));
        assert!(heard.0.into_inner().is_empty());
    }

    #[test]
    fn a_file_that_nobody_holds_was_left_by_a_run_that_was_killed() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(&root);
        let mut running = Running::begin(&tree, &Silent, PATIENCE).unwrap();
        running.stay();
        drop(running);
        let running = Running::take_over(&tree, &Silent, PATIENCE).unwrap().unwrap();
        assert!(running.is_held());
        drop(running);
        assert!(!path(root.path()).exists());
    }

    #[test]
    fn a_run_that_never_ends_is_announced_once_and_then_done_without() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(&root);
        let other = Running::begin(&tree, &Silent, PATIENCE).unwrap();
        let clock = Waits::default();
        let patience = Patience { clock: &clock, ..PATIENCE };
        let heard = Heard::default();
        let running = Running::begin(&tree, &heard, patience).unwrap();
        assert!(!running.is_held());
        assert_eq!(clock.0.take(), Duration::from_secs(30));
        drop(running);
        assert!(path(root.path()).exists(), "it is the other run's");
        drop(other);
        let at = root.path().display().to_string();
        assert_eq!(
            heard.0.into_inner(),
            [
                format!("Warning waiting for another depmod in {at}"),
                format!("Warning {at} is still locked after 30 seconds; going on without the lock"),
            ]
        );
    }

    #[test]
    fn what_no_run_can_have_made_is_taken_away() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(&root);
        std::os::unix::fs::symlink("elsewhere", path(root.path())).unwrap();
        assert!(Running::begin(&tree, &Silent, PATIENCE).unwrap().is_held());
        rustix::fs::mknodat(tree.handle(), NAME, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(Running::begin(&tree, &Silent, PATIENCE).unwrap().is_held());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_wait_is_announced_after_a_second_and_ends_after_thirty() {
        assert_eq!((PATIENCE.announcement.as_secs(), PATIENCE.limit.as_secs()), (1, 30));
    }
}
