//! One run of depmod: the order of its phases.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use modcli::{Ended, Exit, Reporter, Session, Severity};
use moddb::build::catalog::{Catalog, Module};
use moddb::build::cycles::Cycles;
use moddb::build::graph::{self, Check, DependencyGraph, NeedNote};
use moddb::build::order::{self, CorruptedLine, Located};
use moddb::build::outputs::{self, Kind, Note, Output, Recipe, Sources};
use moddb::build::symbols::{KernelSymbols, SymbolTable};
use moddb::config::depmod::{self, DepmodConfig};
use modfile::ModuleName;
use rustix::io::Errno;

use crate::cache::Stored;
use crate::messages;
use crate::parallel::{self, Spread};
use crate::paths;
use crate::publish::{self, CannotPublish, OutputDirectory};
use crate::request::{Destination, Request, Selection, Surroundings};
use crate::scan::{self, FoundModule, Unsearchable};
use crate::summary::Summary;
use crate::{freshness, gather, kernel_symbols};

/// The circumstances of a run.
pub(crate) struct Moment {
    /// When it began.
    pub(crate) began: SystemTime,
    /// Where it began.
    pub(crate) surroundings: Surroundings,
    /// Whether the user said which kernel.
    pub(crate) was_said: bool,
}

pub(crate) fn run(session: &Session, request: &Request, moment: &Moment) -> anyhow::Result<Exit> {
    let reporter = &session.reporter;
    let mut summary = Summary::begin();
    let mut check = request.check;
    let kernel = match kernel_symbols::named(request, reporter) {
        Ok(None) if check => {
            let running = moment.surroundings.running_release.as_bytes();
            let found = kernel_symbols::found(request, running, Path::new(paths::KALLSYMS), reporter);
            if found.is_none() {
                reporter.warning(messages::CHECK_NEEDS_SYMBOLS);
                check = false;
            }
            found
        }
        Ok(named) => named,
        Err(failure) => {
            reporter.fatal(messages::cannot_load(&failure.file, &failure.error))?;
            return Ok(Exit::Failure);
        }
    };
    let config = read_config(request, reporter);
    let directory = match request.destination {
        Destination::Stdout => None,
        Destination::Files => Some(lock_output(request, moment, reporter)?),
    };
    if request.selection == Selection::IfNewer
        && freshness::is_current(&request.input, &request.output, reporter)
    {
        return Ok(Exit::Success);
    }
    let stored = Stored::new();
    let mut gathered = gather::gather(request, moment.began, reporter, &stored, |hand_out| {
        let found = find(request, moment, &config, reporter, hand_out)?;
        summary.phase("scan");
        Ok(found)
    })?;
    sort(request, &mut gathered.found, reporter);
    let (catalog, reused) = gather::assemble(request, gathered, reporter)?;
    for (located, reason) in catalog.refused() {
        reporter.error(messages::refused(&located.path, *reason));
    }
    summary.reused = reused;
    summary.phase("read");
    let built = build(session, request, &catalog, kernel.as_ref(), check, &mut summary)?;
    summary.phase("build");
    let complete = tell_notes(request, &built, reporter) && catalog.refused().is_empty();
    if built.outputs.iter().flat_map(|(_, notes)| notes).any(|note| *note == Note::TooLarge) {
        reporter.message(Severity::Error, messages::DATABASE_UNCHANGED);
        return Ok(Exit::Failure);
    }
    let outputs: Vec<Output> = built.outputs.into_iter().map(|(output, _)| output).collect();
    match directory {
        None => outputs.iter().try_for_each(|output| session.output.print(&output.bytes))?,
        Some(directory) => publish(request, &directory, &outputs, moment.began, reporter)?,
    }
    summary.phase("publish");
    let release = request.release.to_string_lossy();
    let (warnings, errors) = (reporter.warnings(), reporter.errors());
    session.output.show(summary.show(request.summary, &release, warnings, errors));
    // The process ends: giving back a hundred thousand pieces of memory one by one would only take time.
    std::mem::forget((catalog, outputs));
    Ok(Exit::failed_if(!complete))
}

fn read_config(request: &Request, reporter: &Reporter) -> DepmodConfig {
    if matches!(request.selection, Selection::Files(_)) {
        return DepmodConfig::default();
    }
    let paths: Vec<PathBuf> =
        if request.config.is_empty() { paths::config_directories() } else { request.config.clone() };
    let (config, problems) = depmod::load(&paths, request.release.as_bytes());
    for problem in &problems {
        let (severity, text) = messages::config(problem);
        reporter.message(severity, text);
    }
    config
}

/// Opens and locks the output directory, which is made if it is another one than that of the modules.
fn lock_output(request: &Request, moment: &Moment, reporter: &Reporter) -> Result<OutputDirectory, Ended> {
    if request.output != request.input
        && let Err(error) = std::fs::create_dir_all(&request.output)
    {
        reporter.fatal(messages::cannot_create_directory(&request.output, &error))?;
        return Err(Ended(Exit::Failure));
    }
    match publish::lock(&request.output, reporter) {
        Ok(directory) => Ok(directory),
        Err(CannotPublish { error, .. }) if request.output == request.input => {
            reporter.error(messages::cannot_open_directory(&request.input, &error));
            Err(unsearchable(request, moment, &error, reporter))
        }
        Err(failure) => {
            reporter.fatal(messages::cannot_publish(failure.attempt, &failure.file, &failure.error))?;
            Err(Ended(Exit::Failure))
        }
    }
}

fn find(
    request: &Request,
    moment: &Moment,
    config: &DepmodConfig,
    reporter: &Reporter,
    hand_out: &mut dyn FnMut(PathBuf),
) -> Result<Vec<FoundModule>, Ended> {
    if let Selection::Files(files) = &request.selection {
        let found = named_files(request, files, reporter)?;
        found.iter().for_each(|module| hand_out(module.file.clone()));
        return Ok(found);
    }
    scan::find(&request.input, config, reporter, hand_out)
        .map_err(|Unsearchable(error)| unsearchable(request, moment, &error, reporter))
}

/// The module directory cannot be read. Who named no kernel is told which ones there are.
fn unsearchable(request: &Request, moment: &Moment, error: &io::Error, reporter: &Reporter) -> Ended {
    let _ = reporter.fatal(messages::cannot_search(error));
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    if let Some(parent) = request.input.parent().filter(|_| is_missing && !moment.was_said) {
        reporter.sink().hint(&messages::installed_releases(parent, &releases_in(parent)));
    }
    Ended(Exit::Failure)
}

/// Names of the directories in one, sorted.
fn releases_in(directory: &Path) -> Vec<Vec<u8>> {
    let mut releases: Vec<Vec<u8>> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().as_bytes().to_vec())
        .collect();
    releases.sort();
    releases
}

/// The files of the command line, one of each name.
fn named_files(request: &Request, files: &[PathBuf], reporter: &Reporter) -> Result<Vec<FoundModule>, Ended> {
    let mut files_by_name = HashMap::new();
    let mut found = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if let Err(error) = std::fs::metadata(file) {
            reporter.fatal(messages::cannot_create_module(file, &error))?;
            return Err(Ended(Exit::Failure));
        }
        let name = ModuleName::of_path(file.as_os_str().as_bytes());
        if let Some(older) = files_by_name.insert(name.clone(), file) {
            if older == file {
                reporter.error(messages::duplicate_file(&name));
                reporter.fatal(messages::cannot_add_module(file))?;
            } else {
                reporter.error(messages::two_files(&name, file, older));
                reporter.fatal(messages::cannot_create_module(file, &Errno::EXIST.into()))?;
            }
            return Err(Ended(Exit::Failure));
        }
        let recorded = file.strip_prefix(&request.input).unwrap_or(file).as_os_str().as_bytes().to_vec();
        found.push(FoundModule { located: Located { name, path: recorded }, file: file.clone(), number });
    }
    Ok(found)
}

fn sort(request: &Request, found: &mut [FoundModule], reporter: &Reporter) {
    let text = match std::fs::read(request.input.join("modules.order")) {
        Ok(text) => Some(text),
        Err(error) => {
            reporter.warning(messages::cannot_open_order(&request.input, &error));
            None
        }
    };
    let corrupted = order::sort(found, |module| &module.located, text.as_deref());
    if let Err(CorruptedLine { number }) = corrupted {
        reporter.error(messages::corrupted_order(&request.input, number));
    }
}

/// The files of a database, and what is to be said of each.
struct Built {
    outputs: Vec<(Output, Vec<Note>)>,
    /// Inputs that could not be read, by the name of the output that wants them.
    missing: Vec<(&'static str, &'static str, io::Error)>,
}

fn build(
    session: &Session,
    request: &Request,
    catalog: &Catalog<'_>,
    kernel: Option<&KernelSymbols>,
    check: bool,
    summary: &mut Summary,
) -> Result<Built, Ended> {
    let reporter = &session.reporter;
    let check = match (check, kernel) {
        (true, Some(kernel)) if kernel.has_crcs => Check::NamesAndVersions,
        (true, Some(_)) => Check::Names,
        _ => Check::Nothing,
    };
    let symbols = SymbolTable::new(catalog, kernel, request.symbol_prefix);
    summary.count(catalog, &symbols);
    let spread = Spread { jobs: request.jobs, batch: 64 };
    let resolved = parallel::map(catalog.modules().len(), spread, |module, ()| {
        graph::resolve(catalog, &symbols, check, module)
    });
    for note in resolved.iter().flat_map(|resolved| &resolved.notes) {
        tell_need(session, request, catalog, note);
    }
    let graph = DependencyGraph::new(resolved.into_iter().map(|resolved| resolved.direct).collect())
        .map_err(|cycles| report_cycles(catalog, &cycles, reporter))?;
    let mut missing = Vec::new();
    let mut read_input = |name, output| {
        let text = std::fs::read(request.input.join(name));
        text.map_err(|error| missing.push((output, name, error))).ok()
    };
    let builtin = read_input("modules.builtin", "modules.builtin.bin");
    let builtin_modinfo = read_input("modules.builtin.modinfo", "modules.builtin.alias.bin");
    let mut sources = Sources::new(catalog, &symbols, &graph);
    sources.builtin = builtin.as_deref();
    sources.builtin_modinfo = builtin_modinfo.as_deref();
    sources.note_duplicates = request.warn;
    Ok(Built { outputs: write(request, &sources), missing })
}

/// Makes all files that are wanted, several at a time.
fn write(request: &Request, sources: &Sources<'_>) -> Vec<(Output, Vec<Note>)> {
    let mut recipes: Vec<(usize, Recipe)> = outputs::recipes()
        .filter(|recipe| request.destination == Destination::Files || recipe.kind == Kind::Text)
        .enumerate()
        .collect();
    // Indexes take longest. Begun last, one of them would keep all others waiting.
    recipes.sort_by_key(|(_, recipe)| recipe.kind == Kind::Text);
    let spread = Spread { jobs: request.jobs, batch: 1 };
    let mut written = parallel::map(recipes.len(), spread, |number, ()| {
        recipes.get(number).map(|(place, recipe)| (*place, recipe.write(sources)))
    });
    written.sort_unstable_by_key(|written| written.as_ref().map(|&(place, _)| place));
    written.into_iter().flatten().map(|(_, written)| written).collect()
}

fn tell_need(session: &Session, request: &Request, catalog: &Catalog<'_>, note: &NeedNote<'_>) {
    let reporter = &session.reporter;
    let path = |index| file_of(request, catalog.module(index));
    match *note {
        NeedNote::Dependency { module, symbol, provider } if reporter.is_verbose() => {
            session.output.show_line(messages::needs(&path(module), symbol, &path(provider)));
        }
        NeedNote::Dependency { .. } => {}
        NeedNote::Unknown { module, symbol } => {
            reporter.warning(messages::unknown_symbol(&path(module), symbol));
        }
        NeedNote::VersionDisagrees { module, symbol } => {
            reporter.warning(messages::version_disagrees(&path(module), symbol));
        }
    }
}

/// A module's file by its recorded path, which is relative to the module directory.
fn file_of(request: &Request, module: Option<&Module<'_>>) -> PathBuf {
    request.input.join(OsStr::from_bytes(module.map(|module| module.path.as_slice()).unwrap_or_default()))
}

fn report_cycles(catalog: &Catalog, cycles: &Cycles, reporter: &Reporter) -> Ended {
    for chain in &cycles.chains {
        reporter.error(messages::cycle(catalog, chain));
    }
    reporter.error(messages::cycle_count(cycles.members.len()));
    Ended(Exit::Failure)
}

/// Says what was missing or did not fit, output by output; tells whether the database lacks something for it.
fn tell_notes(request: &Request, built: &Built, reporter: &Reporter) -> bool {
    let mut complete = true;
    for (output, notes) in &built.outputs {
        for (_, name, error) in built.missing.iter().filter(|(wanting, ..)| *wanting == output.name) {
            reporter.warning(messages::cannot_open_input(name, &request.input, error));
        }
        for note in notes {
            let (severity, text) = messages::note(note, output.name);
            reporter.message(severity, text);
            if matches!(note, Note::BadCharacter { .. }) {
                reporter.hint(messages::left_out(output.name));
            }
            complete &= !note.is_loss();
        }
    }
    complete
}

fn publish(
    request: &Request,
    directory: &OutputDirectory,
    built: &[Output],
    began: SystemTime,
    reporter: &Reporter,
) -> Result<(), Ended> {
    // Who waits for the disk needs no processor, so there may be more of them.
    let at_once = request.jobs.filter(|jobs| jobs.get() == 1).unwrap_or(NonZero::<usize>::MAX);
    directory.publish(built, began, at_once).map_err(|failure| {
        reporter.error(messages::cannot_publish(failure.attempt, &failure.file, &failure.error));
        let state = if failure.mixed { messages::DATABASE_MIXED } else { messages::DATABASE_UNCHANGED };
        reporter.message(Severity::Error, state);
        Ended(Exit::Failure)
    })
}
