//! Which modules an operand means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use moddb::{ModuleDb, ModuleEntry};
use modfile::ModuleName;
use modfile::name::{normalize_alias, suffix_len};

use crate::places::System;
use crate::request::Operand;

/// A module that an operand means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub name: ModuleName,
    /// Its file; one without is built in.
    pub path: Option<PathBuf>,
    pub says: Says,
}

/// Where it is written what a module says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// In its file.
    File,
    /// In the list of the strings of what is built in.
    Builtin,
}

/// Nothing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// No module has this name or alias.
    Module,
    /// It cannot be an alias: a bracket lacks its partner.
    Alias,
    /// No module has this name.
    Name,
}

/// The modules that an operand means, in the order in which they are to be shown.
pub(crate) fn find(
    operand: &OsStr,
    kind: Operand,
    db: &ModuleDb,
    system: &System,
) -> Result<Vec<Found>, NotFound> {
    let text = operand.as_bytes();
    if kind == Operand::Name {
        let entry = db.resolve_name(&ModuleName::new(text)).into_iter().next();
        return entry.map(|entry| vec![found(entry, db)]).ok_or(NotFound::Name);
    }
    if suffix_len(text).is_some() && Path::new(operand).is_file() {
        let path = system.absolute(Path::new(operand));
        return Ok(vec![Found { name: ModuleName::of_path(text), path: Some(path), says: Says::File }]);
    }
    if normalize_alias(text).is_err() {
        return Err(NotFound::Alias);
    }
    let entries = db.resolve(text);
    if entries.is_empty() {
        return Err(NotFound::Module);
    }
    Ok(entries.into_iter().map(|entry| found(entry, db)).collect())
}

fn found(entry: ModuleEntry, db: &ModuleDb) -> Found {
    // compat: of a module that has a file and is built in, the strings are those of the built-in one (case
    // modinfo/builtin-with-a-file).
    let says = if entry.path.is_none() || db.is_builtin(&entry.name) { Says::Builtin } else { Says::File };
    Found { name: entry.name, path: entry.path, says }
}
