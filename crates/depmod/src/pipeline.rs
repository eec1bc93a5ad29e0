//! One run of depmod: the order of its phases.

use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use modcli::{Ended, Exit, Reporter, Session, Severity};
use moddb::build::graph::Check;
use moddb::build::order::{self, CorruptedLine};
use moddb::build::outputs::{self, Note, Output};
use moddb::build::symbols::KernelSymbols;
use moddb::cache::Database;
use moddb::config::depmod::DepmodConfig;

use crate::cache::{CacheFile, Stored};
use crate::directories::Directories;
use crate::gather::Assembled;
use crate::input::read_input;
use crate::inside::Inside;
use crate::listings::Listings;
use crate::made::Files;
use crate::making::{MadeFile, Making};
use crate::messages;
use crate::moment::Moment;
use crate::output::{DatabaseState, OutputDirectory, REFERENCE};
use crate::paths;
use crate::publish::{CannotPublish, Replacement, Temporary, Times};
use crate::request::{Destination, Request, Selection};
use crate::running::{self, PATIENCE, Running};
use crate::scan::{self, FoundModule, Scan};
use crate::source::Waiting;
use crate::summary::{Counts, Summary};
use crate::tree::{OpenError, Tree};
use crate::walk::Faults;
use crate::{config, freshness, gather, kernel_symbols, named};

/// What holds for the whole run.
struct Run<'a> {
    session: &'a Session,
    request: &'a Request,
    moment: &'a Moment,
    directories: &'a Directories,
    output: Option<OutputDirectory>,
    kernel: Option<KernelSymbols>,
    check: Check,
    config: DepmodConfig,
    is_config_whole: bool,
}

/// Whether a run replaces files from the beginning: then others wait for it.
enum Begun<'a> {
    With(Replacement<'a>),
    /// It looks first whether there is anything to replace. This is the state of the database before it looked.
    Not(Option<DatabaseState>),
}

/// How one attempt ended.
enum Attempt {
    Done(Exit),
    /// Another run replaced the database while this one read the modules. Now this one is alone.
    Overtaken(Running),
}

pub(crate) fn run(session: &Session, request: Request, moment: &Moment) -> anyhow::Result<Exit> {
    let reporter = &session.reporter;
    let (request, base, directories) = Directories::open(request);
    let request = &request;
    let kernel = match kernel_symbols::named(request, reporter) {
        Ok(None) if request.check => {
            find_kernel_symbols(request, moment, base.as_ref().ok(), &directories, reporter)
        }
        Ok(named) => named,
        Err(failure) => {
            reporter.fatal(messages::cannot_load(&failure.file, &failure.why))?;
            return Ok(Exit::Failure);
        }
    };
    let check = match &kernel {
        Some(kernel) if request.check && kernel.has_crcs => Check::NamesAndVersions,
        Some(_) if request.check => Check::Names,
        _ => Check::Nothing,
    };
    let root = base.as_ref().ok().filter(|_| request.is_contained);
    let (config, is_config_whole) = config::read(request, &Inside(root), reporter);
    // Not everybody may have many files open.
    drop(base);
    let output = directories.output(request, moment, reporter)?;
    let run = Run {
        session,
        request,
        moment,
        directories: &directories,
        output,
        kernel,
        check,
        config,
        is_config_whole,
    };
    let exit = run.carry_out()?;
    let is_spotless = reporter.warnings() + reporter.errors() == 0;
    Ok(if request.strict && !is_spotless { Exit::Failure } else { exit })
}

fn find_kernel_symbols(
    request: &Request,
    moment: &Moment,
    base: Option<&Tree>,
    directories: &Directories,
    reporter: &Reporter,
) -> Option<KernelSymbols> {
    let found = match (base, &directories.input) {
        (Some(base), Ok(input)) => {
            let running = moment.surroundings.running_release.as_bytes();
            let places =
                kernel_symbols::Sources { base, input, running, kallsyms: Path::new(paths::KALLSYMS) };
            kernel_symbols::found(request, &places, reporter)
        }
        _ => None,
    };
    if found.is_none() {
        reporter.warning(messages::CHECK_NEEDS_SYMBOLS);
    }
    found
}

impl Run<'_> {
    fn reporter(&self) -> &Reporter {
        &self.session.reporter
    }

    fn writes(&self) -> bool {
        self.request.destination == Destination::Files
    }

    fn carry_out(&self) -> anyhow::Result<Exit> {
        let mut running = None;
        if let Some(output) = self.output.as_ref().filter(|_| self.writes()) {
            // Whoever cannot open the file cannot write here either; that is reported if there is something to write.
            running = Running::take_over(output.tree(), self.reporter(), PATIENCE).ok().flatten();
            let is_quick = self.request.selection == Selection::IfNewer;
            if is_quick && running.is_none() && self.is_current(output) {
                return Ok(Exit::Success);
            }
            if running.is_none() && (is_quick || !output.has_database()) {
                running = Running::begin(output.tree(), self.reporter(), PATIENCE).ok();
            }
        }
        loop {
            match self.attempt(running)? {
                Attempt::Done(exit) => return Ok(exit),
                Attempt::Overtaken(alone) => running = Some(alone),
            }
        }
    }

    fn is_current(&self, output: &OutputDirectory) -> bool {
        let Ok(input) = &self.directories.input else { return false };
        let quick = freshness::Quick {
            input,
            output,
            config_paths: &config::paths(self.request),
            jobs: self.request.jobs,
        };
        quick.is_current(self.reporter())
    }

    fn attempt(&self, running: Option<Running>) -> anyhow::Result<Attempt> {
        let Self { session, request, moment, .. } = *self;
        let reporter = self.reporter();
        let mut summary = Summary::begin();
        let names = || outputs::recipes().map(|recipe| recipe.name);
        let before = self.output.as_ref().map(|output| output.state(names()));
        let files = self.files();
        let stored = Stored::new();
        let gathered = gather::gather(request, moment.ahead, reporter, &stored, |listings, hand_out| {
            let Scan { mut found, mut faults } = self.find(listings, hand_out)?;
            summary.phase("scan");
            // The files are still being read.
            self.sort(&mut found, &mut faults);
            Ok(Scan { found, faults })
        })?;
        let mut faults = gathered.faults;
        faults.unlisted |= !self.is_config_whole;
        let Assembled { catalog, reused, memory } =
            gather::assemble(request, gathered, &mut faults, reporter)?;
        for (located, reason) in catalog.refused() {
            reporter.error(messages::refused(&located.path, *reason));
        }
        summary.reused = reused;
        summary.phase("read");
        let was_made = |database: &&Database| files.as_ref().is_some_and(|files| files.are(database));
        if running.is_none()
            && faults == Faults::default()
            && let Some(database) = memory.database().filter(was_made)
        {
            let [aliases, symbols] =
                [database.aliases, database.symbols].map(|count| usize::try_from(count).unwrap_or_default());
            summary.counts = Counts { modules: catalog.modules().len(), aliases, symbols };
            self.sum_up(&mut summary);
            std::mem::forget(catalog);
            memory.forget();
            return Ok(Attempt::Done(Exit::Success));
        }
        let has_database = self.output.as_ref().is_some_and(OutputDirectory::has_database);
        // The lock is held from the beginning where there was no database, where a run was interrupted, and where -A found
        // it out of date: then something is going to be written.
        let replacement = match (&self.output, running) {
            (Some(output), Some(running)) => Some(Replacement::begin(output, running)),
            _ => None,
        };
        let making = Making {
            session,
            request,
            input: self.directories.input.as_ref().ok(),
            kernel: self.kernel.as_ref(),
            check: self.check,
            directory: self.output.as_ref(),
            publishes_parts: self.writes() && (request.keep_going || !has_database),
            replacement: replacement.as_ref(),
        };
        let keep = |database: Option<&Database>| memory.keep(request, &catalog, database, reporter);
        let mut made = making.run(&catalog, &mut faults, &mut summary).inspect_err(|_| keep(None))?;
        summary.phase("build");
        let is_complete = making.tell_notes(&made)
            && !made.is_partial
            && catalog.refused().is_empty()
            && faults == Faults::default();
        if made.files.iter().flat_map(|file| &file.notes).any(|note| *note == Note::TooLarge) {
            reporter.message(Severity::Error, messages::DATABASE_UNCHANGED);
            keep(None);
            return Ok(Attempt::Done(Exit::Failure));
        }
        summary.made = made.files.len();
        let written = made.files.iter_mut().filter_map(|file| file.written.take()).collect();
        let differing: Vec<&Output> =
            made.files.iter().filter(|file| !file.is_in_place).map(|file| &file.output).collect();
        let mut exit = Exit::failed_if(!is_complete);
        let mut database = None;
        match &self.output {
            None => made
                .files
                .iter()
                .flat_map(|file| file.output.bytes.pieces())
                .try_for_each(|piece| session.output.print(piece))?,
            Some(output) if !self.writes() => {
                exit = Exit::failed_if(self.compare(output, &differing)? || !is_complete);
            }
            Some(_) if faults.unlisted && has_database && !request.keep_going => {
                reporter.error(messages::DATABASE_KEPT);
                exit = Exit::Failure;
            }
            Some(output) => {
                let is_in_place = differing.is_empty() && replacement.is_none();
                let begun = replacement.map_or(Begun::Not(before), Begun::With);
                let is_complete = faults == Faults::default();
                let replaced = self.replace(output, &made.files, differing, begun, written, is_complete);
                if let Some(alone) = replaced.inspect_err(|_| keep(None))? {
                    return Ok(Attempt::Overtaken(alone));
                }
                let is_spotless = is_complete && reporter.warnings() + reporter.errors() == 0;
                database = files
                    .filter(|_| is_in_place && is_spotless)
                    .and_then(|files| files.to_remember(summary.counts));
            }
        }
        keep(database.as_ref());
        self.sum_up(&mut summary);
        // The process ends: giving back a hundred thousand pieces of memory one by one would only take time.
        std::mem::forget((catalog, made));
        memory.forget();
        Ok(Attempt::Done(exit))
    }

    /// The files of the database, if a run may find that it has nothing to make: one that takes all modules, checks
    /// none, and is not asked what they need.
    fn files(&self) -> Option<Files> {
        let request = self.request;
        let may_skip = self.writes()
            && request.selection == Selection::All
            && request.cache != CacheFile::Nowhere
            && self.check == Check::Nothing
            && self.kernel.is_none()
            && !request.check
            && !self.reporter().is_verbose();
        let (Some(output), Ok(input), true) = (&self.output, &self.directories.input, may_skip) else {
            return None;
        };
        Files::look(request, input, output, self.moment.ahead)
    }

    fn sum_up(&self, summary: &mut Summary) {
        summary.phase("publish");
        let Self { session, request, .. } = *self;
        let release = request.release.to_string_lossy();
        let (warnings, errors) = (session.reporter.warnings(), session.reporter.errors());
        session.output.show(summary.show(request.summary, &release, warnings, errors));
    }

    fn find(&self, listings: &mut Listings<'_>, hand_out: &mut dyn FnMut(Waiting)) -> Result<Scan, Ended> {
        if let Selection::Files(files) = &self.request.selection {
            let found = named::named(self.request, files, self.reporter())?;
            found
                .iter()
                .for_each(|module| hand_out(Waiting { source: module.source.clone(), directory: None }));
            return Ok(Scan { found, faults: Faults::default() });
        }
        let input = self.directories.searchable(self.request, self.moment, self.reporter())?;
        Ok(scan::find(input, &self.config, listings, self.reporter(), hand_out))
    }

    fn sort(&self, found: &mut [FoundModule], faults: &mut Faults) {
        let input = self.directories.input.as_ref().map_err(OpenError::again);
        let text = match input.and_then(|input| read_input(input, "modules.order", faults)) {
            Ok(text) => Some(text),
            Err(error) => {
                let at = &self.request.input;
                self.reporter().warning(messages::cannot_open_input("modules.order", at, &error));
                None
            }
        };
        let corrupted = order::sort(found, |module| &module.located, text.as_deref());
        if let Err(CorruptedLine { number }) = corrupted {
            self.reporter().error(messages::corrupted_order(&self.request.input, number));
        }
    }

    /// Says which files of a database are not as they should be, if any.
    fn compare(&self, directory: &OutputDirectory, differing: &[&Output]) -> Result<bool, Ended> {
        for output in differing {
            let file = self.request.output.join(output.name);
            let is_there = directory.tree().stat(Path::new(output.name)).is_ok();
            self.session.output.print_line(messages::out_of_date(&file, is_there))?;
        }
        Ok(!differing.is_empty())
    }

    /// Replaces the files that differ. Returns this run's lock if another run was quicker.
    fn replace<'o>(
        &self,
        directory: &OutputDirectory,
        made: &'o [MadeFile],
        mut differing: Vec<&'o Output>,
        begun: Begun<'_>,
        written: Vec<Temporary>,
        is_complete: bool,
    ) -> Result<Option<Running>, Ended> {
        // A database that -A found out of date gets a new time, or -A would find it so again and again.
        let wants_time = self.request.selection == Selection::IfNewer
            && differing.iter().all(|output| output.name != REFERENCE);
        let nothing_else = differing.is_empty();
        if wants_time {
            differing.extend(made.iter().map(|file| &file.output).filter(|output| output.name == REFERENCE));
        }
        let replacement = match begun {
            Begun::With(replacement) => replacement,
            Begun::Not(_) if differing.is_empty() => return Ok(None),
            Begun::Not(before) => match Running::begin(directory.tree(), self.reporter(), PATIENCE) {
                Ok(running) => {
                    let names = made.iter().map(|file| file.output.name);
                    if before != Some(directory.state(names)) {
                        return Ok(Some(running));
                    }
                    Replacement::begin(directory, running)
                }
                Err(_) if nothing_else => return Ok(None),
                Err(errno) => {
                    let file = running::path(&self.request.output);
                    let failure = CannotPublish::new("create temporary file", &file, errno);
                    return Err(self.not_published(&failure));
                }
            },
        };
        // Threads that wait for the disk need no processor, so there may be more of them.
        let at_once = self.request.jobs.filter(|jobs| jobs.get() == 1).unwrap_or(NonZero::<usize>::MAX);
        // A database that lacks something is older than any module, so that the next -A completes it.
        let scan_began = if is_complete { self.moment.began } else { SystemTime::UNIX_EPOCH };
        let times = Times { scan_began, latest: self.request.latest };
        match replacement.finish(&differing, written, times, at_once) {
            Err(failure) if !nothing_else || failure.mixed => Err(self.not_published(&failure)),
            _ => Ok(None),
        }
    }

    fn not_published(&self, failure: &CannotPublish) -> Ended {
        let reporter = self.reporter();
        reporter.error(messages::cannot_publish(failure.attempt, &failure.file, &failure.error));
        if let Some(missing) = failure.missing {
            reporter.message(Severity::Error, messages::room_missing(&self.request.output, missing));
        }
        let state = if failure.mixed { messages::DATABASE_MIXED } else { messages::DATABASE_UNCHANGED };
        reporter.message(Severity::Error, state);
        Ended(Exit::Failure)
    }
}
