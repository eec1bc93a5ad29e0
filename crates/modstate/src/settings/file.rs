//! The settings file of a module, and whether it is believed.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use modfile::ModuleName;
use modfile::regular::RegularError;

use super::document::{Document, Header};
use super::notice::Notice;
use crate::directory::{self, Directory, Durability};
use crate::places::{Places, SETTINGS};

/// Permission to write to one's own file.
const WRITABLE: u32 = 0o200;

/// A settings file that is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trusted {
    /// What it says.
    pub document: Document,
    /// Its permissions.
    pub mode: u32,
}

/// Where the file of a module is, for people.
pub(super) fn path(places: &Places, module: &ModuleName) -> PathBuf {
    places.settings().join(directory::name_of(module).unwrap_or_default())
}

/// The settings file, if there is one and nobody but its owner can have written it.
pub(super) fn read(places: &Places, module: &ModuleName, notices: &mut Vec<Notice>) -> Option<Trusted> {
    read_trusted(places, module).unwrap_or_else(|notice| {
        notices.push(notice);
        None
    })
}

fn read_trusted(places: &Places, module: &ModuleName) -> Result<Option<Trusted>, Notice> {
    let Some(name) = directory::name_of(module) else { return Ok(None) };
    let Some(directory) = open(places)? else { return Ok(None) };
    let here = || path(places, module);
    match directory.read(name) {
        Ok(None) => Ok(None),
        Ok(Some(text)) => Ok(Some(Trusted { document: Document::parse(&text.bytes), mode: text.mode })),
        Err(RegularError::NotRegular(_)) => Err(Notice::NotAFile(here())),
        Err(RegularError::NotTrusted(_)) => Err(Notice::NotTrusted(here())),
        Err(error) => Err(Notice::CannotRead(here(), error.into())),
    }
}

/// The directory of settings files; `None` if there is none.
pub(super) fn open(places: &Places) -> Result<Option<Directory>, Notice> {
    let notice = |path: PathBuf| {
        move |error| match error {
            RegularError::NotTrusted(_) => Notice::NotTrusted(path),
            error => Notice::CannotRead(path, error.into()),
        }
    };
    match Directory::open(&places.lasting, places.owner).map_err(notice(places.lasting.clone()))? {
        Some(base) => base.inner(SETTINGS).map_err(notice(places.settings())),
        None => Ok(None),
    }
}

/// Replaces the file, on disk before this returns. `mode` is that of the old one.
pub(super) fn write(
    places: &Places,
    module: &ModuleName,
    document: &Document,
    header: &Header,
    mode: u32,
) -> Result<(), Notice> {
    let here = || path(places, module);
    if mode & WRITABLE == 0 {
        return Err(Notice::ReadOnly(here()));
    }
    let write = || -> io::Result<()> {
        let name = directory::name_of(module).ok_or(io::ErrorKind::InvalidInput)?;
        // A small system may not even have the directory above.
        if let Some(above) = places.lasting.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(above)?;
        }
        let directory = Directory::make(&places.lasting, places.owner)?.make_inner(SETTINGS)?;
        directory.replace(name, &document.format(header), mode, Durability::Durable)
    };
    write().map_err(|error| Notice::CannotWrite(here(), error))
}
