//! The directory in which the tools remember, `/run/modutils`: one small file per module and kind.
//!
//! Remembering is best effort: where there is no `/run`, or it cannot be written, nothing is remembered and
//! nothing fails. Which module may be removed is not decided here.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::regular::RegularError;
use rustix::io::Errno;

use crate::directory::{self, Directory, Durability, FOR_ALL, Text};
use crate::fields::Damaged;
use crate::identity::Identity;
use crate::marks::Marks;
use crate::pin;
use crate::places::{BASELINES, Places};
use crate::record::Record;

const RECORDS: &str = "autoloaded";
const PINS: &str = "pinned";
const MARKS: &str = "marks";
const LOCK: &str = "autoclean.lock";
const PERSISTS: &str = "persists";
const PERSISTS_TEXT: &[u8] =
    b"# modutils.d has a persist line: udev starts modutils-restore@.service for each module.\n";

/// Whether something was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was.
    Done,
    /// There is no place for it: no `/run`, or one that cannot be written. No error.
    NoPlace,
}

/// Whether something that is reported once per boot is to be reported now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// It is the first time.
    Now,
    /// It was said since the machine started.
    Told,
    /// There is no place to remember it.
    NoMemory,
}

/// What stands in one file of a listing.
pub type Entry<T> = (ModuleName, Result<T, Unreadable>);

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system refused, it is not a file, or others may have written it.
    #[error(transparent)]
    File(#[from] RegularError),
    /// It is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A directory to remember in.
#[derive(Clone, Debug)]
pub struct Memory {
    directory: PathBuf,
    owner: u32,
}

impl Memory {
    /// The memory of a system. Its directory need not exist; the one above it must, to write anything.
    #[must_use]
    pub fn new(places: &Places) -> Self {
        Self { directory: places.run.clone(), owner: places.owner }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// The directory of records in an open memory; `None` if there are none.
    pub(crate) fn records_in(&self, base: &Directory) -> Result<Option<Directory>, RegularError> {
        base.inner(RECORDS)
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
    /// The directory is there but cannot be listed, or others than root can have put files there.
    pub fn records(&self) -> Result<Vec<Entry<Record>>, RegularError> {
        self.list(RECORDS, Record::parse)
    }

    /// All pins by name, damaged ones too; none if there is no memory.
    ///
    /// # Errors
    /// The directory is there but cannot be listed, or others than root can have put files there.
    pub fn pins(&self) -> Result<Vec<Entry<Identity>>, RegularError> {
        self.list(PINS, pin::parse)
    }

    /// The pin of one module; `None` if there is none.
    ///
    /// # Errors
    /// There is one that cannot be read.
    pub fn pin(&self, module: &ModuleName) -> Result<Option<Identity>, Unreadable> {
        let Some(name) = file_name(module) else { return Ok(None) };
        let Some(directory) = self.open(PINS)? else { return Ok(None) };
        let text = directory.read(name)?;
        Ok(text.map(|text| pin::parse(&text.bytes)).transpose()?)
    }

    /// Whether a record says that this load of a module came in on demand.
    #[must_use]
    pub fn has_record_of(&self, module: &ModuleName, identity: &Identity) -> bool {
        let read = || self.open(RECORDS).ok()??.read(file_name(module)?).ok()?;
        read().is_some_and(|text| Record::parse(&text.bytes).is_ok_and(|record| record.identity == *identity))
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
        let read = || Directory::open(&self.directory, self.owner).ok()??.read(OsStr::new(MARKS)).ok()?;
        read().map(|text| Marks::parse(&text.bytes)).unwrap_or_default()
    }

    /// Replaces the notes of the last pass.
    ///
    /// # Errors
    /// As [`write_record`](Self::write_record).
    pub fn write_marks(&self, marks: &Marks) -> io::Result<Written> {
        if marks.is_empty() {
            return or_no_place(match Directory::open(&self.directory, self.owner)? {
                Some(directory) => directory.remove(OsStr::new(MARKS)),
                None => Ok(()),
            });
        }
        or_no_place(Directory::make(&self.directory, self.owner).map_err(io::Error::from).and_then(
            |directory| directory.replace(OsStr::new(MARKS), &marks.format(), FOR_ALL, Durability::Volatile),
        ))
    }

    /// Notes that something is said, however often it happens: the kernel may ask hundreds of times while the
    /// database is missing. Of several processes one gets [`Telling::Now`].
    #[must_use]
    pub fn tell_once(&self, what: &str) -> Telling {
        let Ok(directory) = Directory::make(&self.directory, self.owner) else { return Telling::NoMemory };
        match directory.create(&format!("told-{what}"), FOR_ALL) {
            Ok(()) => Telling::Now,
            Err(Errno::EXIST) => Telling::Told,
            Err(_) => Telling::NoMemory,
        }
    }

    /// Notes for rules of udev, which cannot read modutils.d, whether any settings are to be put back.
    ///
    /// # Errors
    /// As [`write_record`](Self::write_record).
    pub fn note_persistence(&self, persists: bool) -> io::Result<Written> {
        let name = OsStr::new(PERSISTS);
        or_no_place(match persists {
            true => Directory::make(&self.directory, self.owner)
                .map_err(io::Error::from)
                .and_then(|directory| directory.replace(name, PERSISTS_TEXT, FOR_ALL, Durability::Volatile)),
            false => match Directory::open(&self.directory, self.owner)? {
                Some(directory) => directory.remove(name),
                None => Ok(()),
            },
        })
    }

    /// Takes the lock that only one pass can hold; it is held as long as the returned file. `None` if another
    /// pass holds it.
    ///
    /// # Errors
    /// The lock cannot be had for another reason, such as a directory that cannot be written.
    pub fn lock(&self) -> io::Result<Option<fs::File>> {
        let Some(directory) = Directory::open(&self.directory, self.owner)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = directory.touch(LOCK)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn write(&self, kind: &str, module: &ModuleName, text: &[u8]) -> io::Result<Written> {
        let Some(name) = file_name(module) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let directory = Directory::make(&self.directory, self.owner).and_then(|base| base.make_inner(kind));
        or_no_place(match directory {
            Ok(directory) => directory.replace(name, text, FOR_ALL, Durability::Volatile),
            Err(error) => Err(error.into()),
        })
    }

    fn open(&self, kind: &str) -> Result<Option<Directory>, RegularError> {
        match Directory::open(&self.directory, self.owner)? {
            Some(base) => base.inner(kind),
            None => Ok(None),
        }
    }

    fn list<T>(
        &self,
        kind: &str,
        parse: impl Fn(&[u8]) -> Result<T, Damaged>,
    ) -> Result<Vec<Entry<T>>, RegularError> {
        let Some(directory) = self.open(kind)? else { return Ok(Vec::new()) };
        let mut list = Vec::new();
        for name in directory.names()? {
            let module = ModuleName::new(&name);
            if module.as_bytes() != name || file_name(&module).is_none() {
                // Temporary, or nobody's: no module is called so.
                continue;
            }
            let said = match directory.read(OsStr::from_bytes(&name)) {
                Ok(Some(Text { bytes, .. })) => parse(&bytes).map_err(Unreadable::from),
                // It went while we looked.
                Ok(None) => continue,
                Err(error) => Err(error.into()),
            };
            list.push((module, said));
        }
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(list)
    }

    fn forget(&self, kind: &str, module: &ModuleName) -> io::Result<()> {
        match (file_name(module), self.open(kind)?) {
            (Some(name), Some(directory)) => directory.remove(name),
            _ => Ok(()),
        }
    }

    /// Removes what processes that were killed in the middle of a write left behind.
    pub fn remove_abandoned(&self) {
        for kind in [RECORDS, PINS, BASELINES] {
            let Ok(Some(directory)) = self.open(kind) else { continue };
            for name in directory.names().unwrap_or_default() {
                if name.starts_with(b".") {
                    directory.remove_abandoned(&name);
                }
            }
        }
    }
}

/// The name of a module's file. Hidden names are those of temporary files.
pub(crate) fn file_name(module: &ModuleName) -> Option<&OsStr> {
    directory::name_of(module).filter(|name| !name.as_bytes().starts_with(b"."))
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
mod tests;
