//! Indexes that are kept open for a caller, and whether what a context was made of is still what is there.

use std::ffi::c_int;

use moddb::TableProblem;
use moddb::index::IndexError;
use moddb::paths::Table;
use rustix::io::Errno;

use crate::log::{self, INFO};
use crate::objects::Context;
use crate::stamps::{LoadedIndexes, Stamp};

/// Answers of `kmod_validate_resources`.
const OK: c_int = 0;
const MUST_RELOAD: c_int = 1;
const MUST_RECREATE: c_int = 2;

/// In the order in which they are loaded. Old kernels' databases lack the last-but-one.
const TABLES: [Table; 5] =
    [Table::Dependencies, Table::Aliases, Table::Symbols, Table::BuiltinAliases, Table::Builtin];

/// Opens all indexes and keeps them.
///
/// # Errors
/// One of them cannot be used, and neither can the text beside it; then none is kept.
pub(crate) fn load(context: &Context) -> Result<(), Errno> {
    let directory = context.db.directory();
    if context.loaded.borrow().kept {
        for table in TABLES {
            let name = table.index_name();
            context.log.say(INFO, c"kmod_load_resources", || {
                format!("Index {} already loaded", name.strip_suffix(".bin").unwrap_or(name))
            });
        }
        return Ok(());
    }
    let mut stamps = Vec::new();
    for table in TABLES {
        let usable = context.db.is_usable(table);
        let mut failure = None;
        for problem in context.db.take_problems() {
            context
                .log
                .say(log::priority_of(problem.severity()), c"kmod_load_resources", || problem.to_string());
            if let TableProblem::Unusable { error, .. } = &problem {
                failure = Some(errno(error));
            }
        }
        if !usable && table != Table::BuiltinAliases {
            context.db.close();
            return Err(failure.unwrap_or(Errno::INVAL));
        }
        stamps.extend(Stamp::of(&directory.index(table)));
    }
    *context.loaded.borrow_mut() = LoadedIndexes { stamps, kept: true };
    Ok(())
}

/// Closes all indexes.
pub(crate) fn unload(context: &Context) {
    context.db.close();
    *context.loaded.borrow_mut() = LoadedIndexes::default();
}

/// Whether what was read is still what is there. Asked every few seconds by udev, so a look at each path is all.
pub(crate) fn validate(context: &Context) -> c_int {
    if !context.config_stamps.iter().all(Stamp::still_holds) {
        return MUST_RECREATE;
    }
    if context.loaded.borrow().stamps.iter().all(Stamp::still_holds) { OK } else { MUST_RELOAD }
}

/// The error number by which an index that cannot be used is reported.
pub(crate) fn errno(error: &IndexError) -> Errno {
    match error {
        IndexError::Io(error) => Errno::from_io_error(error).unwrap_or(Errno::IO),
        _ => Errno::INVAL,
    }
}
