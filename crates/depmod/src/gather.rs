//! Puts the catalog together: recalls modules that did not change, reads all others, and reports what went wrong.

use std::borrow::Cow;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use modcli::{Ended, Exit, Reporter, Severity};
use moddb::build::catalog::{Catalog, TooMuch};
use moddb::build::order::Located;
use moddb::cache::{Cache, Database, Entry, Stamp, Writer};
use modfile::compression::DecompressError;
use modfile::info::{self, Workspace};
use modfile::{ModuleInfo, ReadError};

use crate::cache::{self, CacheFile, Stored};
use crate::listings::{Listings, Seen};
use crate::messages;
use crate::parallel::{self, InBetween, Spread};
use crate::progress::Progress;
use crate::request::{Destination, Request};
use crate::scan::{FoundModule, Scan};
use crate::source::{ModuleSource, Waiting};
use crate::stamps::{self, Looks};
use crate::walk::Faults;

/// Files that a thread takes at a time.
const BATCH: usize = 16;

/// Few files wait at first, since their directories are open. A run that takes longer soon finds out how many there are,
/// for the progress bar.
const IN_BETWEEN: InBetween = InBetween { waiting: 4, within: Duration::from_millis(100) };

/// If no more than one module in this many changed, the cache is not rewritten: that takes as long as reading them
/// again.
const FEW: usize = 256;

/// What is known of one module.
#[derive(Default)]
pub(crate) struct Known<'m> {
    info: ModuleInfo<'m>,
    error: Option<Box<ReadError>>,
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
    /// What was remembered before.
    cache: Cache<'m>,
    /// The directories that were searched.
    seen: Seen,
}

/// All modules of a run, and what of them may be remembered.
pub(crate) struct Assembled<'m> {
    pub(crate) catalog: Catalog<'m>,
    /// How many were remembered.
    pub(crate) reused: usize,
    pub(crate) memory: Memory<'m>,
}

/// What a run may remember of its modules and directories.
pub(crate) struct Memory<'m> {
    cache: Cache<'m>,
    seen: Seen,
    kept: Vec<Kept<'m>>,
    /// Whether modules, their order, and what they say are those that were remembered.
    is_same: bool,
    /// Whether so much is new that remembering it pays.
    is_outdated: bool,
}

/// What is remembered of a module beside what it says, in the order of the catalog.
struct Kept<'m> {
    source: ModuleSource,
    recorded: usize,
    stamp: Option<Stamp>,
    tail: Cow<'m, [u8]>,
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
    find: impl FnOnce(&mut Listings<'_>, &mut dyn FnMut(Waiting)) -> Result<Scan, Ended>,
) -> Result<Gathered<'m>, Ended> {
    let nothing = Cache::default();
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
    let know = |waiting: Waiting, (workspace, looks): &mut (Workspace, Looks)| {
        // They are compared, or remembered, or nobody wants them.
        workspace.without_checksums = !request.check && !remembers(request);
        let is_enough = said.load(Ordering::Relaxed) > Catalog::MAX_BYTES;
        let known = if is_enough {
            Known::default()
        } else {
            know(&waiting, cache().as_ref().ok(), remembers(request).then_some(ahead), workspace, looks)
        };
        said.fetch_add(known.info.as_bytes().len(), Ordering::Relaxed);
        progress.reached(done.fetch_add(1, Ordering::Relaxed) + 1);
        known
    };
    let find = |hand_out: &mut dyn FnMut(Waiting)| {
        let mut listings = if remembers(request) {
            Listings::new(Some(cache().as_ref().unwrap_or(&nothing)), ahead)
        } else {
            Listings::default()
        };
        let scan = find(&mut listings, hand_out)?;
        progress.expect(scan.found.len());
        Ok((scan, listings.seen()))
    };
    let (searched, known) = parallel::stream(
        Spread { jobs: request.jobs, batch: BATCH, in_between: Some(IN_BETWEEN) },
        find,
        know,
    );
    let (Scan { found, faults }, seen) = searched?;
    if said.into_inner() > Catalog::MAX_BYTES {
        reporter.fatal(messages::plain(TooMuch::Said))?;
        return Err(Ended(Exit::Failure));
    }
    if let Some(refused) = load().as_ref().err().or(cache().as_ref().err()) {
        reporter.message(Severity::Notice, messages::cache_ignored(&request.cache, refused));
    }
    let cache = decoded.into_inner().and_then(Result::ok).unwrap_or_default();
    Ok(Gathered { found, known, faults, cache, seen })
}

/// Recalls or reads what a module says. Its stamp is taken if a later run may remember it: then `ahead` says how far ahead
/// of the clock that run is to be.
fn know<'m>(
    waiting: &Waiting,
    cache: Option<&Cache<'m>>,
    ahead: Option<Duration>,
    workspace: &mut Workspace,
    looks: &mut Looks,
) -> Known<'m> {
    let source = &waiting.source;
    if let Some(remembered) = cache.and_then(|cache| stamps::recall(source, cache, looks))
        && let Some(info) = remembered.info()
    {
        let tail = remembered.tail.into();
        return Known { info, error: None, stamp: Some(remembered.stamp), tail, reused: true };
    }
    let looked = ahead.map(stamps::now);
    let reading = info::read_opened(looks.directory.open(source, waiting.directory.as_ref()), workspace);
    let stamp = looked.and_then(|looked| stamps::stamp_of(&reading, source, looked, looks));
    Known {
        info: reading.info,
        error: reading.error.map(Box::new),
        stamp,
        tail: reading.tail.into(),
        reused: false,
    }
}

/// Puts together what is known of the modules that count; one that could not be read stays, with as much as could
/// be read. Notes in `faults` what failed.
///
/// # Errors
/// The run is over if there are more modules than can be numbered.
pub(crate) fn assemble<'m>(
    request: &Request,
    gathered: Gathered<'m>,
    faults: &mut Faults,
    reporter: &Reporter,
) -> Result<Assembled<'m>, Ended> {
    let Gathered { found, mut known, cache, seen, .. } = gathered;
    let mut kept = Vec::with_capacity(if remembers(request) { found.len() } else { 0 });
    let (mut place, mut reused, mut newly_known, mut is_same) = (0, 0, 0, true);
    let modules = found.into_iter().filter_map(|FoundModule { located, source, number }| {
        // Files that were read in vain, because a better one of the same name was found, are passed by.
        let known = std::mem::take(known.get_mut(number)?);
        if let Some(error) = known.error.as_deref() {
            if matches!(error, ReadError::DebugOnly) {
                reporter.warning(messages::debug_only(source.path()));
                return None;
            }
            tell(error, source.path(), faults, reporter);
        }
        is_same = is_same && is_as_remembered(&cache, place, &located, &source, &known);
        place += 1;
        reused += usize::from(known.reused);
        newly_known += usize::from(!known.reused && known.stamp.is_some());
        if remembers(request) {
            kept.push(Kept { source, recorded: located.path.len(), stamp: known.stamp, tail: known.tail });
        } else {
            source.forget();
        }
        Some((located, known.info))
    });
    let catalog = match Catalog::new(modules) {
        Ok(catalog) => catalog,
        Err(too_many) => {
            reporter.fatal(messages::plain(too_many))?;
            return Err(Ended(Exit::Failure));
        }
    };
    let gone = cache.len().saturating_sub(reused);
    let is_current = !cache.is_empty() && newly_known.max(gone) <= place / FEW;
    let refused: HashSet<&[u8]> =
        catalog.refused().iter().map(|(located, _)| located.path.as_slice()).collect();
    kept.retain(|kept| !refused.contains(kept.recorded_path()));
    let is_same = is_same && place == cache.len();
    let is_outdated = !is_current && request.destination == Destination::Files;
    Ok(Assembled { catalog, reused, memory: Memory { cache, seen, kept, is_same, is_outdated } })
}

/// Reports why a module could not be read, and notes what that says of the run.
fn tell(error: &ReadError, path: &Path, faults: &mut Faults, reporter: &Reporter) {
    match error {
        ReadError::Io(error) => faults.note_unread(error),
        // It is the run that lacks something, not the file.
        ReadError::NoMemory(_) | ReadError::Decompress(DecompressError::NoMemory { .. }) => {
            faults.unlisted = true;
        }
        _ => {}
    }
    if let Some(text) = messages::decompressor(error) {
        reporter.error(text);
    }
    reporter.error(messages::cannot_load_symbols(path, error));
    if let Some(why) = messages::why_not_loaded(error) {
        reporter.hint(why);
    }
}

/// Whether a later run may remember anything of this one.
fn remembers(request: &Request) -> bool {
    request.cache != CacheFile::Nowhere
}

/// Whether what is known of the module at a place is what the cache has at the same place.
fn is_as_remembered(
    cache: &Cache<'_>,
    place: usize,
    located: &Located,
    source: &ModuleSource,
    known: &Known<'_>,
) -> bool {
    known.error.is_none()
        && cache.entry(source.path().as_os_str().as_bytes()).is_some_and(|remembered| {
            remembered.place == place
                && remembered.recorded == located.path.len()
                && (known.reused || remembered.says(&known.info))
        })
}

impl Kept<'_> {
    fn recorded_path(&self) -> &[u8] {
        let path = self.source.path().as_os_str().as_bytes();
        path.get(path.len().saturating_sub(self.recorded)..).unwrap_or_default()
    }
}

impl Memory<'_> {
    /// Leaves its memory to the end of the process, and closes what is open: not every caller ends then.
    pub(crate) fn forget(self) {
        for Kept { source, tail, .. } in self.kept {
            source.forget();
            std::mem::forget(tail);
        }
        std::mem::forget((self.cache, self.seen));
    }

    /// The database that the remembered modules give, if this run's are the same.
    pub(crate) fn database(&self) -> Option<&Database> {
        self.cache.database().filter(|_| self.is_same)
    }

    /// Remembers what is new for the next run, and which database all modules give, if that is known.
    pub(crate) fn keep(
        &self,
        request: &Request,
        catalog: &Catalog<'_>,
        database: Option<&Database>,
        reporter: &Reporter,
    ) {
        // It may be said of each of them what it was.
        let database = database.filter(|_| self.kept.iter().all(|kept| kept.stamp.is_some()));
        if self.is_outdated || database.is_some() {
            self.store(request, catalog, database, reporter);
        }
    }

    fn store(
        &self,
        request: &Request,
        catalog: &Catalog<'_>,
        database: Option<&Database>,
        reporter: &Reporter,
    ) {
        if request.cache == CacheFile::Nowhere {
            return;
        }
        let stamps: Vec<Stamp> = self.kept.iter().filter_map(|kept| kept.stamp).collect();
        if !stamps::are_real(&stamps) {
            return;
        }
        let mut writer = Writer::default();
        let infos = catalog.modules().iter().map(|module| &module.info);
        for (Kept { source, recorded, stamp, tail }, info) in self.kept.iter().zip(infos) {
            let path = source.path().as_os_str().as_bytes();
            if let &Some(stamp) = stamp {
                writer.module(&Entry { path, recorded: *recorded, stamp, tail, info });
            }
        }
        self.seen.put(&self.cache, &mut writer);
        database.into_iter().for_each(|database| writer.database(database));
        if let Err(error) = cache::store(&request.cache, writer) {
            // A missing cache matters only if one was asked for.
            let asked_for = matches!(request.cache, CacheFile::Named(_));
            let severity = if asked_for { Severity::Warning } else { Severity::Info };
            reporter.message(severity, messages::cache_not_written(&request.cache, &error));
        }
    }
}
