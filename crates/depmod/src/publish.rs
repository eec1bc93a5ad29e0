//! Puts the files of a database into their directory so that no reader ever sees half of one.
//!
//! 1. The directory is locked: a second depmod waits, but not for ever, because any user can hold such a lock.
//! 2. Every file is written under a temporary name and synced before anything is renamed. Waiting for the disk is
//!    most of it, so all files wait at once.
//! 3. The old `modules.dep` gets the oldest time there is. It is the reference of `depmod -A`, so from here on
//!    an interrupted run is repaired by the next one.
//! 4. All files are renamed, `modules.dep` last. It bears the moment at which the scan began: what changed
//!    during the scan is newer.
//! 5. The directory is synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use moddb::build::outputs::Output;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::messages::{self, Say};
use crate::parallel::{self, Spread};

/// The file whose time tells how old the database is.
pub const REFERENCE: &str = "modules.dep";

/// Temporary files begin so; the process id follows.
const TEMPORARY_PREFIX: &str = ".depmod-";

/// How a lock that somebody else holds is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The lock is tried again after this time.
    step: Duration,
    /// After this wait the user is told what depmod waits for.
    announcement: Duration,
    /// After this wait depmod goes on all the same.
    limit: Duration,
}

const PATIENCE: Patience = Patience {
    step: Duration::from_millis(50),
    announcement: Duration::from_secs(1),
    limit: Duration::from_secs(30),
};

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
}

/// The output directory, open and, if that could be had, locked until this is dropped.
#[derive(Debug)]
pub struct OutputDirectory {
    path: PathBuf,
    handle: File,
    locked: bool,
}

/// Opens the output directory and waits for other runs on it.
///
/// # Errors
/// [`CannotPublish`] if the directory cannot be opened.
pub fn lock(path: &Path, say: &dyn Say) -> Result<OutputDirectory, CannotPublish> {
    lock_patiently(path, say, PATIENCE)
}

fn lock_patiently(path: &Path, say: &dyn Say, patience: Patience) -> Result<OutputDirectory, CannotPublish> {
    let handle = File::open(path).map_err(|error| failure("open directory", path, error))?;
    let mut waited = Duration::ZERO;
    let locked = loop {
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break true,
            Err(Errno::WOULDBLOCK) if waited < patience.limit => {}
            Err(Errno::WOULDBLOCK) => {
                let seconds = patience.limit.as_secs();
                say.say(modcli::Severity::Warning, messages::waited_enough(path, seconds));
                break false;
            }
            // A file system without locks: renaming is safe without one.
            Err(_) => break false,
        }
        thread::sleep(patience.step);
        let before = waited;
        waited += patience.step;
        if before < patience.announcement && waited >= patience.announcement {
            say.say(modcli::Severity::Warning, messages::waiting(path));
        }
    };
    Ok(OutputDirectory { path: path.to_owned(), handle, locked })
}

impl OutputDirectory {
    /// Replaces the database by `outputs`, `at_once` files of which are written at a time. `scan_began` becomes
    /// the time of `modules.dep`.
    ///
    /// # Errors
    /// [`CannotPublish`]; unless it says so, no file was changed and no temporary file is left.
    pub fn publish(
        &self,
        outputs: &[Output],
        scan_began: SystemTime,
        at_once: NonZero<usize>,
    ) -> Result<(), CannotPublish> {
        if self.locked {
            self.remove_leftovers();
        }
        let mut pending = TemporaryFiles(Vec::with_capacity(outputs.len()));
        for output in outputs {
            pending.0.push(Temporary::create(&self.path, output.name)?);
        }
        // What renaming would only find out with half of the files replaced.
        if let Some(Temporary { target, .. }) = pending.0.iter().find(|temporary| temporary.is_barred()) {
            return Err(failure("replace", target, Errno::ISDIR.into()));
        }
        let files: Vec<_> = pending.0.iter().zip(outputs).collect();
        let spread = Spread { jobs: Some(at_once), batch: 1 };
        let written = parallel::map(files.len(), spread, |number, ()| {
            files.get(number).map_or(Ok(()), |(temporary, output)| {
                temporary.fill(&output.bytes, (output.name == REFERENCE).then_some(scan_began))
            })
        });
        written.into_iter().collect::<Result<(), _>>()?;
        self.age_reference();
        self.rename_all(pending)
    }

    fn rename_all(&self, mut pending: TemporaryFiles) -> Result<(), CannotPublish> {
        pending.0.sort_by_key(|temporary| temporary.target.ends_with(REFERENCE));
        let mut mixed = false;
        for temporary in &mut pending.0 {
            fs::rename(&temporary.path, &temporary.target)
                .map_err(|error| CannotPublish { mixed, ..failure("replace", &temporary.target, error) })?;
            temporary.renamed = true;
            mixed = true;
        }
        self.handle
            .sync_all()
            .map_err(|error| CannotPublish { mixed, ..failure("sync directory", &self.path, error) })
    }

    /// From now on the database counts as older than any module. Without the right to do that, a run that is
    /// killed right now is only repaired by `depmod -a`.
    fn age_reference(&self) {
        let path = self.path.join(REFERENCE);
        if let Ok(file) = OpenOptions::new().write(true).custom_flags(no_follow()).open(path) {
            let _ = file.set_modified(SystemTime::UNIX_EPOCH);
        }
    }

    /// Removes what killed runs left behind. A file that is locked belongs to a run that went on without the
    /// directory's lock.
    fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let is_temporary = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_temporary && is_file && !is_locked(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn is_locked(path: &Path) -> bool {
    OpenOptions::new()
        .read(true)
        .custom_flags(no_follow())
        .open(path)
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// A file under its temporary name; removed when dropped, unless it was renamed.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    target: PathBuf,
    file: File,
    renamed: bool,
}

/// The temporary files of a run.
struct TemporaryFiles(Vec<Temporary>);

impl Temporary {
    fn create(directory: &Path, name: &str) -> Result<Self, CannotPublish> {
        let path = directory.join(format!("{TEMPORARY_PREFIX}{}-{name}", std::process::id()));
        let open = || OpenOptions::new().write(true).create_new(true).custom_flags(no_follow()).open(&path);
        let file = match open() {
            // The name bears our process id, so the process that made it is dead.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path).and_then(|()| open())
            }
            opened => opened,
        }
        .map_err(|error| failure("create temporary file", &path, error))?;
        // Whether it is locked matters only to a run that cleans up; not every file system has locks.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { path, target: directory.join(name), file, renamed: false })
    }

    /// Whether a directory stands where the file belongs.
    fn is_barred(&self) -> bool {
        fs::symlink_metadata(&self.target).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Writes the file and waits until it is on the disk.
    fn fill(&self, bytes: &[u8], modified: Option<SystemTime>) -> Result<(), CannotPublish> {
        // compat: readable for all, whatever the umask (case depmod/output-modes).
        (&self.file)
            .write_all(bytes)
            .and_then(|()| self.file.set_permissions(fs::Permissions::from_mode(0o644)))
            .and_then(|()| modified.map_or(Ok(()), |time| self.file.set_modified(time)))
            .map_err(|error| failure("write", &self.path, error))?;
        self.file.sync_all().map_err(|error| failure("sync", &self.path, error))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn no_follow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

fn failure(attempt: &'static str, file: &Path, error: io::Error) -> CannotPublish {
    CannotPublish { attempt, file: file.to_owned(), error, mixed: false }
}

#[cfg(test)]
mod tests {
    use moddb::build::outputs::Kind;

    use super::*;
    use crate::messages::Silent;

    const ALL: NonZero<usize> = NonZero::<usize>::MAX;

    fn output(name: &'static str, text: &str) -> Output {
        Output { name, kind: Kind::Text, bytes: text.into() }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Keeps what is said.
    #[derive(Default)]
    struct Heard(std::cell::RefCell<Vec<String>>);

    impl Say for Heard {
        fn say(&self, severity: modcli::Severity, text: Vec<u8>) {
            self.0.borrow_mut().push(format!("{severity:?} {}", String::from_utf8_lossy(&text)));
        }
    }

    #[test]
    fn a_lock_that_is_never_given_back_is_announced_once_and_then_done_without() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().display().to_string();
        fs::write(root.path().join(".depmod-1-modules.dep"), "of somebody who may live").unwrap();
        let other = File::open(root.path()).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        let step = Duration::from_micros(10);
        let heard = Heard::default();
        let patience = Patience { step, announcement: step * 3, limit: step * 50 };
        let directory = lock_patiently(root.path(), &heard, patience).unwrap();
        assert_eq!(
            heard.0.into_inner(),
            [
                format!("Warning waiting for another depmod in {path}"),
                format!("Warning {path} is still locked after 0 seconds; going on without the lock"),
            ]
        );
        directory.publish(&[output(REFERENCE, "a")], SystemTime::now(), ALL).unwrap();
        assert_eq!(names(root.path()), [".depmod-1-modules.dep", REFERENCE]);
    }

    #[test]
    fn a_lock_that_is_free_is_taken_without_a_word() {
        let root = tempfile::tempdir().unwrap();
        let heard = Heard::default();
        let directory = lock(root.path(), &heard).unwrap();
        let other = File::open(root.path()).unwrap();
        assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
        drop(directory);
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(heard.0.into_inner().is_empty());
    }

    #[test]
    fn the_wait_is_announced_after_a_second_and_ends_after_thirty() {
        assert_eq!((PATIENCE.announcement.as_secs(), PATIENCE.limit.as_secs()), (1, 30));
    }

    #[test]
    fn files_appear_whole_with_their_mode_and_the_reference_with_its_time() {
        let root = tempfile::tempdir().unwrap();
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let directory = lock(root.path(), &Silent).unwrap();
        directory.publish(&[output(REFERENCE, "a"), output("modules.alias", "b")], began, ALL).unwrap();
        assert_eq!(names(root.path()), ["modules.alias", "modules.dep"]);
        let metadata = fs::metadata(root.path().join(REFERENCE)).unwrap();
        assert_eq!(metadata.modified().unwrap(), began);
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read(root.path().join("modules.alias")).unwrap(), b"b");
    }

    #[test]
    fn a_failure_before_the_first_rename_changes_nothing_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(REFERENCE), "old").unwrap();
        let directory = lock(root.path(), &Silent).unwrap();
        let unwritable = output("missing-directory/modules.alias", "b");
        let error =
            directory.publish(&[output(REFERENCE, "a"), unwritable], SystemTime::now(), ALL).unwrap_err();
        assert!(!error.mixed);
        assert_eq!(names(root.path()), [REFERENCE]);
        assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"old");
    }

    #[test]
    fn a_directory_where_a_file_belongs_is_found_before_anything_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(REFERENCE), "old").unwrap();
        fs::create_dir(root.path().join("modules.softdep")).unwrap();
        let directory = lock(root.path(), &Silent).unwrap();
        let outputs = [output(REFERENCE, "a"), output("modules.alias", "b"), output("modules.softdep", "c")];
        let error = directory.publish(&outputs, SystemTime::now(), ALL).unwrap_err();
        assert!(!error.mixed);
        assert_eq!(error.file, root.path().join("modules.softdep"));
        assert_eq!(names(root.path()), [REFERENCE, "modules.softdep"]);
        let reference = root.path().join(REFERENCE);
        assert_eq!(fs::read(&reference).unwrap(), b"old");
        assert_ne!(fs::metadata(&reference).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_but_not_what_a_living_one_uses() {
        let root = tempfile::tempdir().unwrap();
        let [dead, alive] = ["1-modules.dep", "2-modules.dep"]
            .map(|name| root.path().join(format!("{TEMPORARY_PREFIX}{name}")));
        fs::write(&dead, "").unwrap();
        let living = File::create(&alive).unwrap();
        flock(&living, FlockOperation::LockExclusive).unwrap();
        let directory = lock(root.path(), &Silent).unwrap();
        directory.publish(&[output(REFERENCE, "a")], SystemTime::now(), ALL).unwrap();
        assert_eq!(names(root.path()), [".depmod-2-modules.dep", REFERENCE]);
    }
}
