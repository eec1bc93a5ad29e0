//! Puts the catalog together: recalls modules that did not change, reads all others, and reports what went wrong.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use modcli::{Ended, Exit, Reporter, Severity};
use moddb::build::catalog::{Catalog, TooMuch};
use moddb::cache::{Cache, Entry, Stamp};
use modfile::info::{self, Workspace};
use modfile::{ModuleInfo, ReadError};

use crate::cache::{self, CacheFile, Looks, Stored};
use crate::messages;
use crate::parallel::{self, Spread};
use crate::progress::Progress;
use crate::request::{Destination, Request};
use crate::scan::{FoundModule, Scan};
use crate::source::ModuleSource;
use crate::walk::Faults;

/// Files that a thread takes at a time.
const BATCH: usize = 16;

/// If no more than one module in this many changed, the cache is not rewritten: that takes as long as reading them
/// again.
const FEW: usize = 256;

/// What is known of one module.
#[derive(Default)]
pub(crate) struct Known<'m> {
    info: ModuleInfo<'m>,
    error: Option<ReadError>,
    /// What a later run may recognise the file by, if it may.
    stamp: Option<Stamp>,
    tail: Cow<'m, [u8]>,
    /// Whether it was remembered.
    reused: bool,
}

/// The files of modules, and what each of them says, by the number of the file.
pub(crate) struct Gathered<'m> {
    pub(crate) found: Vec<FoundModule>,
    known: Vec<Known<'m>>,
    /// What could not be looked at.
    pub(crate) faults: Faults,
    /// How many modules were remembered before.
    remembered: usize,
}

/// Reads or remembers every module that `find` hands out, while that goes on looking for more.
///
/// # Errors
/// Those of `find`, and modules that say too much.
pub(crate) fn gather<'m>(
    request: &Request,
    ahead: Duration,
    reporter: &Reporter,
    stored: &'m Stored,
    find: impl FnOnce(&mut dyn FnMut(ModuleSource)) -> Result<Scan, Ended>,
) -> Result<Gathered<'m>, Ended> {
    // Whoever is the first to need it loads the cache: with several threads, that is while more is searched for.
    let decoded = OnceLock::new();
    let load = || stored.get_or_init(|| cache::load(&request.cache));
    let cache = || {
        decoded.get_or_init(|| {
            load().as_ref().map_or_else(|_| Ok(Cache::default()), |bytes| cache::decode(bytes))
        })
    };
    let progress = Progress::begin();
    let done = AtomicUsize::new(0);
    // What one module says is bounded; all together must not fill the memory before they are counted.
    let said = AtomicUsize::new(0);
    let know = |source: ModuleSource, (workspace, looks): &mut (Workspace, Looks)| {
        let is_enough = said.load(Ordering::Relaxed) > Catalog::MAX_BYTES;
        let known = if is_enough {
            Known::default()
        } else {
            know(&source, cache().as_ref().ok(), ahead, workspace, looks)
        };
        said.fetch_add(known.info.as_bytes().len(), Ordering::Relaxed);
        progress.reached(done.fetch_add(1, Ordering::Relaxed) + 1);
        known
    };
    let find = |hand_out: &mut dyn FnMut(ModuleSource)| {
        let scan = find(hand_out)?;
        progress.expect(scan.found.len());
        Ok(scan)
    };
    let (scan, known) = parallel::stream(Spread { jobs: request.jobs, batch: BATCH }, find, know);
    let Scan { found, faults } = scan?;
    if said.into_inner() > Catalog::MAX_BYTES {
        reporter.fatal(messages::plain(TooMuch::Said))?;
        return Err(Ended(Exit::Failure));
    }
    if let Some(refused) = load().as_ref().err().or(cache().as_ref().err()) {
        reporter.message(Severity::Notice, messages::cache_ignored(&request.cache, refused));
    }
    let remembered = cache().as_ref().map_or(0, Cache::len);
    Ok(Gathered { found, known, faults, remembered })
}

fn know<'m>(
    source: &ModuleSource,
    cache: Option<&Cache<'m>>,
    ahead: Duration,
    workspace: &mut Workspace,
    looks: &mut Looks,
) -> Known<'m> {
    if let Some(remembered) = cache.and_then(|cache| cache::recall(source, cache, looks))
        && let Some(info) = remembered.info()
    {
        let tail = remembered.tail.into();
        return Known { info, error: None, stamp: Some(remembered.stamp), tail, reused: true };
    }
    let looked = SystemTime::now() + ahead;
    let reading = info::read_opened(looks.directory.open(source), workspace);
    let stamp = cache::stamp_of(&reading, source, looked, looks);
    Known { info: reading.info, error: reading.error, stamp, tail: reading.tail.into(), reused: false }
}

/// Puts together what is known of the modules that count; one that could not be read stays, with as much as could
/// be read. Returns also how many were remembered, and notes in `faults` what failed.
///
/// # Errors
/// The run is over if there are more modules than can be numbered.
pub(crate) fn assemble<'m>(
    request: &Request,
    gathered: Gathered<'m>,
    faults: &mut Faults,
    reporter: &Reporter,
) -> Result<(Catalog<'m>, usize), Ended> {
    let Gathered { found, known, remembered, .. } = gathered;
    // Files that were read in vain, because a better one of the same name was found, drop out here.
    let mut known: Vec<Option<Known<'m>>> = known.into_iter().map(Some).collect();
    let mut modules: Vec<(FoundModule, Known<'m>)> = found
        .into_iter()
        .filter_map(|module| {
            let known = known.get_mut(module.number)?.take()?;
            Some((module, known))
        })
        .collect();
    modules.retain(|(module, known)| {
        let is_module = !matches!(known.error, Some(ReadError::DebugOnly));
        if !is_module {
            reporter.warning(messages::debug_only(module.source.path()));
        }
        is_module
    });
    for (module, known) in &modules {
        let Some(error) = &known.error else { continue };
        if let ReadError::Io(error) = error {
            faults.note_unread(error);
        }
        if let Some(text) = messages::decompressor(error) {
            reporter.error(text);
        }
        reporter.error(messages::cannot_load_symbols(module.source.path(), error));
        if let Some(why) = messages::why_not_loaded(error) {
            reporter.hint(why);
        }
    }
    let reused = modules.iter().filter(|(_, known)| known.reused).count();
    let newly_known = modules.iter().filter(|(_, known)| !known.reused && known.stamp.is_some()).count();
    let gone = remembered.saturating_sub(reused);
    let is_current = remembered > 0 && newly_known.max(gone) <= modules.len() / FEW;
    if !is_current && request.destination == Destination::Files {
        remember(request, &modules, reporter);
    }
    let modules = modules.into_iter().map(|(module, known)| (module.located, known.info));
    match Catalog::new(modules) {
        Ok(catalog) => Ok((catalog, reused)),
        Err(too_many) => {
            reporter.fatal(messages::plain(too_many))?;
            Err(Ended(Exit::Failure))
        }
    }
}

fn remember(request: &Request, modules: &[(FoundModule, Known<'_>)], reporter: &Reporter) {
    if request.cache == CacheFile::Nowhere {
        return;
    }
    let stamps: Vec<Stamp> = modules.iter().filter_map(|(_, known)| known.stamp).collect();
    if !cache::are_real(&stamps) {
        return;
    }
    let entries = modules.iter().filter_map(|(module, known)| {
        let path = module.source.path().as_os_str().as_bytes();
        Some(Entry { path, stamp: known.stamp?, tail: &known.tail, info: &known.info })
    });
    if let Err(error) = cache::store(&request.cache, entries) {
        // A missing cache matters only if one was asked for.
        let asked_for = matches!(request.cache, CacheFile::Named(_));
        let severity = if asked_for { Severity::Warning } else { Severity::Info };
        reporter.message(severity, messages::cache_not_written(&request.cache, &error));
    }
}
