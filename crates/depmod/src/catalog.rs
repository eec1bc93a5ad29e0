//! Puts the catalog together: remembered modules as they were, all others read, and what went wrong told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use modcli::{Ended, Exit, Reporter, Severity};
use moddb::build::catalog::Catalog;
use moddb::cache::{Cache, Entry, Stamp};
use modfile::info::{self, Workspace};
use modfile::{ModuleInfo, ReadError};
use std::os::unix::ffi::OsStrExt;

use crate::memory::{self, FileSystems, Place};
use crate::messages;
use crate::parallel::{self, Spread};
use crate::progress::Progress;
use crate::request::{Destination, Request};
use crate::scan::Found;

/// Files that a thread takes at a time.
const BATCH: usize = 16;

/// What is known of one module.
struct Known {
    info: ModuleInfo,
    error: Option<ReadError>,
    /// What a later run may go by, if it may.
    stamp: Option<Stamp>,
    tail: Vec<u8>,
    /// Whether it was remembered.
    reused: bool,
}

/// Reads all modules, or remembers them; one that cannot be read stays, with as much as could be read. Gives also
/// how many were remembered.
///
/// # Errors
/// The run is over if there are more modules than can be numbered.
pub(crate) fn read(
    request: &Request,
    found: &[Found],
    began: SystemTime,
    reporter: &Reporter,
) -> Result<(Catalog, usize), Ended> {
    let stored = memory::load(&request.memory);
    let cache = stored.as_ref().ok().map(|bytes| memory::decode(bytes));
    let refused = match (&stored, &cache) {
        (Err(refused), _) | (_, Some(Err(refused))) => Some(refused),
        _ => None,
    };
    if let Some(refused) = refused {
        reporter.message(Severity::Info, messages::cache_ignored(&request.memory, refused));
    }
    let cache = cache.and_then(Result::ok).unwrap_or_default();
    let known = know_all(request, found, &cache, began);
    for (module, known) in found.iter().zip(&known) {
        let Some(error) = &known.error else { continue };
        if let Some(text) = messages::decompressor(error) {
            reporter.error(text);
        }
        reporter.error(messages::cannot_load_symbols(&module.file, error));
        if let Some(why) = messages::why_not_loaded(error) {
            reporter.hint(why);
        }
    }
    let reused = known.iter().filter(|known| known.reused).count();
    let is_current = reused == known.len() && reused == cache.len();
    if !is_current && request.destination == Destination::Files {
        remember(request, found, &known, reporter);
    }
    let modules = found.iter().zip(known).map(|(module, known)| (module.located.clone(), known.info));
    match Catalog::new(modules) {
        Ok(catalog) => Ok((catalog, reused)),
        Err(too_many) => {
            reporter.fatal(messages::plain(too_many))?;
            Err(Ended(Exit::Failure))
        }
    }
}

fn know_all(request: &Request, found: &[Found], cache: &Cache<'_>, began: SystemTime) -> Vec<Known> {
    let spread = Spread { jobs: request.jobs, batch: BATCH };
    let progress = Progress::new(found.len());
    let done = AtomicUsize::new(0);
    let know = |number: usize, (workspace, systems): &mut (Workspace, FileSystems)| {
        let module = found.get(number)?;
        let known = match memory::recall(&module.file, cache, systems) {
            Some(remembered) => Known {
                info: remembered.info,
                error: None,
                stamp: Some(remembered.stamp),
                tail: remembered.tail,
                reused: true,
            },
            None => {
                let reading = info::read(&module.file, workspace);
                let stamp = memory::stamp_of(&reading, began);
                Known { info: reading.info, error: reading.error, stamp, tail: reading.tail, reused: false }
            }
        };
        progress.reached(done.fetch_add(1, Ordering::Relaxed) + 1);
        Some(known)
    };
    parallel::map(found.len(), spread, know).into_iter().flatten().collect()
}

fn remember(request: &Request, found: &[Found], known: &[Known], reporter: &Reporter) {
    if request.memory == Place::Nowhere {
        return;
    }
    let entries = found.iter().zip(known).filter_map(|(module, known)| {
        let path = module.file.as_os_str().as_bytes();
        Some(Entry { path, stamp: known.stamp?, tail: &known.tail, info: &known.info })
    });
    if let Err(error) = memory::store(&request.memory, entries) {
        reporter.message(Severity::Info, messages::cache_not_written(&request.memory, &error));
    }
}
