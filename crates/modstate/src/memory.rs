//! The directory in which the tools remember, `/run/modutils`: one small file per module and kind.
//!
//! Remembering is a courtesy: where there is no `/run`, or it cannot be written, nothing is remembered and
//! nothing is wrong. Which module may be removed is not decided here.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use rustix::io::Errno;

use crate::fields::Damaged;
use crate::identity::Identity;
use crate::marks::Marks;
use crate::pin;
use crate::record::Record;
use crate::small_file::{self, Durability, FOR_ALL};

const RECORDS: &str = "autoloaded";
const PINS: &str = "pinned";
const MARKS: &str = "marks";
const LOCK: &str = "autoclean.lock";

/// Whether something was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was.
    Done,
    /// There is no place for it: no `/run`, or one that cannot be written. No error.
    NoPlace,
}

/// What stands in one file of a listing.
pub type Entry<T> = (ModuleName, Result<T, Unreadable>);

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A directory to remember in.
#[derive(Clone, Debug)]
pub struct Memory {
    directory: PathBuf,
}

impl Memory {
    /// The memory in `directory`, which need not exist; the directory above it must.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Remembers that a module was loaded because the kernel asked.
    ///
    /// # Errors
    /// The file cannot be written, for another reason than those of [`Written::NoPlace`].
    pub fn write_record(&self, module: &ModuleName, record: &Record) -> io::Result<Written> {
        self.write(RECORDS, module, &record.format())
    }

    /// Remembers that somebody wants this load of a module.
    ///
    /// # Errors
    /// As [`write_record`](Self::write_record).
    pub fn write_pin(&self, module: &ModuleName, identity: &Identity) -> io::Result<Written> {
        self.write(PINS, module, &pin::format(identity))
    }

    /// All records by name, damaged ones too; none if there is no memory.
    ///
    /// # Errors
    /// The directory is there but cannot be listed.
    pub fn records(&self) -> io::Result<Vec<Entry<Record>>> {
        self.list(RECORDS, Record::parse)
    }

    /// All pins by name, damaged ones too; none if there is no memory.
    ///
    /// # Errors
    /// The directory is there but cannot be listed.
    pub fn pins(&self) -> io::Result<Vec<Entry<Identity>>> {
        self.list(PINS, pin::parse)
    }

    /// The pin of one module; `None` if there is none.
    ///
    /// # Errors
    /// There is one that cannot be read.
    pub fn pin(&self, module: &ModuleName) -> Result<Option<Identity>, Unreadable> {
        match self.file(PINS, module).map(|path| small_file::read(&path)) {
            None => Ok(None),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(text)) => Ok(Some(pin::parse(&text)?)),
        }
    }

    /// Forgets the record of a module.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn forget_record(&self, module: &ModuleName) -> io::Result<()> {
        self.forget(RECORDS, module)
    }

    /// Forgets the pin of a module.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn forget_pin(&self, module: &ModuleName) -> io::Result<()> {
        self.forget(PINS, module)
    }

    /// What the last pass of autoclean noted; nothing if it noted nothing that can be read. Marks that are lost
    /// only delay a removal.
    #[must_use]
    pub fn marks(&self) -> Marks {
        small_file::read(&self.directory.join(MARKS)).map(|text| Marks::parse(&text)).unwrap_or_default()
    }

    /// Replaces the notes of the last pass.
    ///
    /// # Errors
    /// As [`write_record`](Self::write_record).
    pub fn write_marks(&self, marks: &Marks) -> io::Result<Written> {
        if marks.is_empty() {
            return or_no_place(match fs::remove_file(self.directory.join(MARKS)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            });
        }
        or_no_place(self.make(&self.directory).and_then(|()| {
            small_file::replace(&self.directory.join(MARKS), &marks.format(), FOR_ALL, Durability::Volatile)
        }))
    }

    /// Takes the lock that only one pass can hold; it goes with the file that is given back. `None` if another
    /// pass holds it.
    ///
    /// # Errors
    /// The lock cannot be had for another reason, such as a directory that cannot be written.
    pub fn lock(&self) -> io::Result<Option<fs::File>> {
        use std::os::unix::fs::OpenOptionsExt;

        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let path = self.directory.join(LOCK);
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn write(&self, kind: &str, module: &ModuleName, text: &[u8]) -> io::Result<Written> {
        let Some(path) = self.file(kind, module) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let written = match small_file::replace(&path, text, FOR_ALL, Durability::Volatile) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self
                .make(&self.directory)
                .and_then(|()| self.make(&self.directory.join(kind)))
                .and_then(|()| small_file::replace(&path, text, FOR_ALL, Durability::Volatile)),
            written => written,
        };
        or_no_place(written)
    }

    fn make(&self, directory: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o755).create(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn file(&self, kind: &str, module: &ModuleName) -> Option<PathBuf> {
        let path = small_file::of_module(&self.directory.join(kind), module)?;
        // Hidden names are those of temporary files.
        (!module.as_bytes().starts_with(b".")).then_some(path)
    }

    fn list<T>(&self, kind: &str, parse: impl Fn(&[u8]) -> Result<T, Damaged>) -> io::Result<Vec<Entry<T>>> {
        let directory = self.directory.join(kind);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut list = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let module = ModuleName::new(name.as_bytes());
            if module.as_bytes() != name.as_bytes() || module.as_bytes().is_empty() {
                // Temporary, or nobody's: no module is called so.
                continue;
            }
            let said = small_file::read(&directory.join(&name))
                .map_err(Unreadable::from)
                .and_then(|text| Ok(parse(&text)?));
            list.push((module, said));
        }
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(list)
    }

    fn forget(&self, kind: &str, module: &ModuleName) -> io::Result<()> {
        match self.file(kind, module).map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn or_no_place(written: io::Result<()>) -> io::Result<Written> {
    match written {
        Ok(()) => Ok(Written::Done),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem)
                || error.kind() == io::ErrorKind::PermissionDenied =>
        {
            Ok(Written::NoPlace)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::boot;
    use crate::identity::{BootTime, Identity};
    use crate::record::Role;

    fn record(inode: u64) -> Record {
        let identity = Identity { inode, boot: boot(b'1') };
        Record { request: b"fs-x".to_vec(), role: Role::Target, loaded: BootTime(1), identity }
    }

    #[test]
    fn what_was_remembered_is_listed_by_name_and_can_be_forgotten() {
        let run = tempfile::tempdir().unwrap();
        let memory = Memory::new(run.path().join("modutils"));
        assert!(memory.records().unwrap().is_empty() && memory.pins().unwrap().is_empty());
        for (name, inode) in [("b", 2), ("a", 1)] {
            assert_eq!(memory.write_record(&name.into(), &record(inode)).unwrap(), Written::Done);
            memory.write_pin(&name.into(), &record(inode).identity).unwrap();
        }
        let records: Vec<_> =
            memory.records().unwrap().into_iter().map(|(name, said)| (name, said.unwrap())).collect();
        assert_eq!(records, [("a".into(), record(1)), ("b".into(), record(2))]);
        memory.forget_record(&"a".into()).unwrap();
        memory.forget_record(&"a".into()).unwrap();
        assert_eq!(memory.records().unwrap().len(), 1);
        assert_eq!(memory.pins().unwrap().len(), 2);
        assert_eq!(memory.pin(&"a".into()).unwrap(), Some(record(1).identity));
        memory.forget_pin(&"a".into()).unwrap();
        assert_eq!(memory.pin(&"a".into()).unwrap(), None);
    }

    #[test]
    fn without_a_place_nothing_is_remembered_and_nothing_is_wrong() {
        let run = tempfile::tempdir().unwrap();
        let memory = Memory::new(run.path().join("missing/modutils"));
        assert_eq!(memory.write_record(&"a".into(), &record(1)).unwrap(), Written::NoPlace);
        assert_eq!(memory.write_pin(&"a".into(), &record(1).identity).unwrap(), Written::NoPlace);
        assert!(memory.marks().is_empty());
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_module_name_leads_out_of_the_directory() {
        let run = tempfile::tempdir().unwrap();
        let memory = Memory::new(run.path().join("modutils"));
        for name in ["../a", "a/b", "", "/etc/x"] {
            assert!(memory.write_record(&name.into(), &record(1)).is_err(), "{name}");
            assert!(memory.forget_record(&name.into()).is_ok());
        }
    }

    #[test]
    fn damaged_and_foreign_files_are_told_apart_from_records() {
        let run = tempfile::tempdir().unwrap();
        let memory = Memory::new(run.path());
        memory.write_record(&"good".into(), &record(1)).unwrap();
        let directory = run.path().join(RECORDS);
        fs::write(directory.join("empty"), "").unwrap();
        fs::write(directory.join(".good.17"), "half").unwrap();
        fs::write(directory.join("a-b"), record(1).format()).unwrap();
        std::os::unix::fs::symlink("good", directory.join("link")).unwrap();
        let said: Vec<_> = memory
            .records()
            .unwrap()
            .into_iter()
            .map(|(name, said)| (name.to_text().into_owned(), said.is_ok()))
            .collect();
        assert_eq!(said, [("empty".into(), false), ("good".into(), true), ("link".into(), false)]);
    }

    #[test]
    fn only_one_pass_at_a_time_holds_the_lock() {
        let run = tempfile::tempdir().unwrap();
        let memory = Memory::new(run.path());
        let held = memory.lock().unwrap();
        assert!(held.is_some());
        assert!(memory.lock().unwrap().is_none());
        drop(held);
        assert!(memory.lock().unwrap().is_some());
    }
}
