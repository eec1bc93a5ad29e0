//! A depmod was killed while it replaced the files of the database, so that some are old and some are new.

use std::path::Path;

use moddb::paths::DEPMOD_RUNNING;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

/// What the mark of depmod says, which it leaves in the module directory while it replaces files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// There is no mark.
    Done,
    /// A depmod is at work.
    Now,
    /// The mark is there, and nobody holds it.
    Interrupted,
    /// The mark is there, and only root can see whether somebody holds it.
    Unknown,
}

/// Looks at the mark in a module directory.
#[must_use]
pub fn look(directory: &Path) -> Replacing {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    match open(directory.join(DEPMOD_RUNNING), flags, Mode::empty()) {
        Ok(mark) => match flock(&mark, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Replacing::Interrupted,
            Err(Errno::WOULDBLOCK) => Replacing::Now,
            Err(_) => Replacing::Unknown,
        },
        Err(Errno::ACCESS | Errno::PERM) => Replacing::Unknown,
        Err(_) => Replacing::Done,
    }
}

/// What to do about a lookup or a load that failed meanwhile.
#[must_use]
pub fn remedy(replacing: Replacing, directory: &Path) -> Option<String> {
    let directory = directory.display();
    match replacing {
        Replacing::Done => None,
        Replacing::Now => Some(format!("depmod is replacing the files in {directory}: try again")),
        Replacing::Interrupted => {
            Some(format!("depmod was interrupted in {directory}, where files are old and new: run depmod"))
        }
        Replacing::Unknown => {
            Some(format!("depmod is running in {directory}, or was interrupted: if so, run depmod"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_nobody_holds_is_that_of_a_killed_depmod() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(look(root.path()), Replacing::Done);
        assert_eq!(remedy(Replacing::Done, root.path()), None);
        let mark = std::fs::File::create(root.path().join(DEPMOD_RUNNING)).unwrap();
        assert_eq!(look(root.path()), Replacing::Interrupted);
        flock(&mark, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(look(root.path()), Replacing::Now);
        let text = remedy(Replacing::Interrupted, Path::new("/lib/modules/1.0")).unwrap();
        assert_eq!(
            text,
            "depmod was interrupted in /lib/modules/1.0, where files are old and new: run depmod"
        );
    }
}
