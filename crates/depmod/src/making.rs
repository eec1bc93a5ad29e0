//! Makes the files of a database from what is known about the modules.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use modcli::{Ended, Exit, Reporter, Session};
use moddb::build::catalog::{Catalog, Module};
use moddb::build::cycles::Cycles;
use moddb::build::graph::{self, Check, DependencyGraph, NeedNote};
use moddb::build::outputs::{self, Note, Output, OutputKind, Recipe, Sources};
use moddb::build::symbols::{KernelSymbols, SymbolOwners};

use crate::input::read_input;
use crate::messages;
use crate::output::OutputDirectory;
use crate::parallel::{self, Spread};
use crate::publish::{Replacement, Temporary};
use crate::request::{Destination, Request};
use crate::summary::Summary;
use crate::tree::{OpenError, Tree};
use crate::walk::Faults;

/// What a database is made with.
pub(crate) struct Making<'a> {
    pub(crate) session: &'a Session,
    pub(crate) request: &'a Request,
    pub(crate) input: Option<&'a Arc<Tree>>,
    pub(crate) kernel: Option<&'a KernelSymbols>,
    pub(crate) check: Check,
    /// Where a database may be.
    pub(crate) directory: Option<&'a OutputDirectory>,
    /// Whether modules that need each other in a circle are left out, and not the whole database.
    pub(crate) publishes_parts: bool,
    /// What files that are not in place are written for while others are still made.
    pub(crate) replacement: Option<&'a Replacement<'a>>,
}

/// The files of a database.
pub(crate) struct Made {
    pub(crate) files: Vec<MadeFile>,
    /// Inputs that could not be read, by the name of the output that wants them.
    missing: Vec<(&'static str, &'static str, OpenError)>,
    /// Whether modules were left out.
    pub(crate) is_partial: bool,
}

/// A file of a database.
pub(crate) struct MadeFile {
    pub(crate) output: Output,
    /// What is to be reported about it.
    pub(crate) notes: Vec<Note>,
    /// Whether there is such a file already.
    pub(crate) is_in_place: bool,
    /// The file under a temporary name, if it was written at once.
    pub(crate) written: Option<Temporary>,
}

/// Whether messages about needs are still to be reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Told,
    Silent,
}

impl<'a> Making<'a> {
    /// Makes all files of the database.
    ///
    /// # Errors
    /// The run is over if modules need each other in a circle.
    pub(crate) fn run(
        &self,
        catalog: &Catalog<'_>,
        faults: &mut Faults,
        summary: &mut Summary,
    ) -> Result<Made, Ended> {
        let mut cycles = match self.attempt(catalog, Needs::Told, faults, summary) {
            Ok(made) => return Ok(made),
            Err(cycles) => cycles,
        };
        self.report_cycles(catalog, &cycles);
        if !self.publishes_parts {
            return Err(Ended(Exit::Failure));
        }
        let mut rest = catalog.clone().without(&cycles.members);
        loop {
            match self.attempt(&rest, Needs::Silent, faults, summary) {
                Ok(made) => return Ok(Made { is_partial: true, ..made }),
                Err(more) => cycles = more,
            }
            rest = rest.without(&cycles.members);
        }
    }

    fn attempt(
        &self,
        catalog: &Catalog<'_>,
        needs: Needs,
        faults: &mut Faults,
        summary: &mut Summary,
    ) -> Result<Made, Cycles> {
        let mut missing = Vec::new();
        let mut read = |name, output| {
            let input = self.input?;
            read_input(input, name, faults).map_err(|error| missing.push((output, name, error))).ok()
        };
        let builtin = read("modules.builtin", "modules.builtin.bin");
        let builtin_modinfo = read("modules.builtin.modinfo", "modules.builtin.alias.bin");
        let inputs = Inputs {
            builtin: builtin.as_deref(),
            builtin_modinfo: builtin_modinfo.as_deref(),
            note_duplicates: self.request.warn,
        };
        let (recipes, linked, sources) = (self.recipes(), OnceLock::new(), OnceLock::new());
        let (early, late): (Vec<_>, Vec<_>) =
            recipes.into_iter().partition(|(_, recipe)| recipe.is_of_modules_alone());
        let no_links = (SymbolOwners::default(), DependencyGraph::default());
        let without_links = inputs.with(catalog, &no_links.0, &no_links.1);
        // What modules say of themselves is written while it is found out who needs whom.
        let find = |hand_out: &mut dyn FnMut((usize, Recipe))| {
            early.into_iter().for_each(&mut *hand_out);
            let links = self.link(catalog, needs, summary)?;
            let (symbols, graph) = linked.get_or_init(|| links);
            sources.get_or_init(|| inputs.with(catalog, symbols, graph));
            late.into_iter().for_each(hand_out);
            Ok(())
        };
        let Self { directory, replacement, .. } = *self;
        let make = |(place, recipe): (usize, Recipe), (): &mut ()| {
            let sources = if recipe.is_of_modules_alone() { Some(&without_links) } else { sources.get() };
            let (output, notes) = recipe.write(sources?);
            let is_in_place = directory.is_some_and(|directory| directory.has(&output));
            let replacement = replacement.filter(|_| !is_in_place);
            // What cannot be written now is tried again, and reported, when all files are replaced.
            let written = replacement.and_then(|replacement| replacement.write(&output).ok());
            Some((place, MadeFile { output, notes, is_in_place, written }))
        };
        let spread = Spread { jobs: self.request.jobs, batch: 1, in_between: None };
        let (found, made) = parallel::stream(spread, find, make);
        found?;
        let mut made: Vec<_> = made.into_iter().flatten().collect();
        made.sort_unstable_by_key(|&(place, _)| place);
        Ok(Made { files: made.into_iter().map(|(_, file)| file).collect(), missing, is_partial: false })
    }

    /// The files that are wanted, each with its place among them. Indexes come first, since they take longest, that of
    /// dependencies least of them: begun last, one of them would keep all others waiting.
    fn recipes(&self) -> Vec<(usize, Recipe)> {
        let mut recipes: Vec<(usize, Recipe)> = outputs::recipes()
            .filter(|recipe| {
                self.request.destination != Destination::Stdout || recipe.kind == OutputKind::Text
            })
            .enumerate()
            .collect();
        recipes.sort_by_key(|(_, recipe)| (recipe.kind == OutputKind::Text, recipe.is_of_dependencies()));
        recipes
    }

    /// Finds out who provides what, and who needs whom.
    fn link<'c>(
        &self,
        catalog: &'c Catalog<'_>,
        needs: Needs,
        summary: &mut Summary,
    ) -> Result<(SymbolOwners<'c>, DependencyGraph), Cycles>
    where
        'a: 'c,
    {
        let symbols = SymbolOwners::new(catalog, self.kernel, self.request.symbol_prefix);
        summary.count(catalog, &symbols);
        let spread = Spread { jobs: self.request.jobs, batch: 64, in_between: None };
        let check = self.check;
        let resolved = parallel::map(catalog.modules().len(), spread, |module, ()| {
            graph::resolve(catalog, &symbols, check, module)
        });
        if needs == Needs::Told {
            for note in resolved.iter().flat_map(|resolved| &resolved.notes) {
                self.tell_need(catalog, note);
            }
        }
        let graph = DependencyGraph::new(resolved.into_iter().map(|resolved| resolved.direct).collect())?;
        Ok((symbols, graph))
    }

    fn tell_need(&self, catalog: &Catalog<'_>, note: &NeedNote<'_>) {
        let reporter = self.reporter();
        let path = |index| file_of(self.request, catalog.module(index));
        match *note {
            NeedNote::Dependency { module, symbol, provider } if reporter.is_verbose() => {
                self.session.output.show_line(messages::needs(&path(module), symbol, &path(provider)));
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

    fn report_cycles(&self, catalog: &Catalog<'_>, cycles: &Cycles) {
        for chain in &cycles.chains {
            self.reporter().error(messages::cycle(catalog, chain));
        }
        self.reporter().error(messages::cycle_count(cycles.members.len()));
        if self.publishes_parts {
            self.reporter().error(messages::WITHOUT_CYCLES);
        }
    }

    /// Reports what was missing or did not fit, output by output; returns whether all of it fitted.
    pub(crate) fn tell_notes(&self, made: &Made) -> bool {
        let reporter = self.reporter();
        let mut complete = true;
        for MadeFile { output, notes, .. } in &made.files {
            for (_, name, error) in made.missing.iter().filter(|(wanting, ..)| *wanting == output.name) {
                reporter.warning(messages::cannot_open_input(name, &self.request.input, error));
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

    fn reporter(&self) -> &Reporter {
        &self.session.reporter
    }
}

/// What a database is made of beside modules.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    builtin: Option<&'a [u8]>,
    builtin_modinfo: Option<&'a [u8]>,
    note_duplicates: bool,
}

impl<'a> Inputs<'a> {
    fn with(
        self,
        catalog: &'a Catalog<'a>,
        symbols: &'a SymbolOwners<'a>,
        graph: &'a DependencyGraph,
    ) -> Sources<'a> {
        let mut sources = Sources::new(catalog, symbols, graph);
        sources.builtin = self.builtin;
        sources.builtin_modinfo = self.builtin_modinfo;
        sources.note_duplicates = self.note_duplicates;
        sources
    }
}

/// A module's file by its recorded path, which is relative to the module directory.
fn file_of(request: &Request, module: Option<&Module<'_>>) -> PathBuf {
    request.input.join(OsStr::from_bytes(module.map(|module| module.path.as_slice()).unwrap_or_default()))
}
