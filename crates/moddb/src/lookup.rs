//! Which modules a name means.
//!
//! Seven sources are asked in a fixed order, and the first that knows the name decides with all that it says. An
//! unknown name is not an error: the answer is empty. Nothing here looks at the running kernel.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::{ModuleName, name::normalize_alias, regular};
use rustix::io::Errno;

use crate::build::refuse::is_one_line;
use crate::config::{CommandRule, Config, files};
use crate::depend::{Dependency, DependencyLine};
use crate::index::Value;
use crate::paths::{ModuleDir, Table};
use crate::tables::{TableProblem, Tables};

/// The source that knew a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundIn {
    /// An `alias` line of the configuration.
    ConfigAlias,
    /// The modules themselves.
    Modules,
    /// The symbols that modules provide.
    Symbols,
    /// An `install` or `remove` line of exactly that name.
    Command,
    /// The aliases that modules bring.
    Aliases,
    /// What is built into the kernel.
    Builtin,
    /// The aliases that what is built in brings.
    BuiltinAliases,
    /// The caller gave a path.
    Path,
}

/// A module that a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleEntry {
    /// Its name. One that comes from an alias is as written there.
    pub name: ModuleName,
    /// Its file, if it has one. Nobody has looked whether it is there.
    pub path: Option<PathBuf>,
    /// What it needs, in the order of loading; [`crate::depend::check`] looks whether the files are there.
    pub dependencies: Vec<Dependency>,
    /// The alias through which it was found, in normalised form: the pattern of an `alias` line, else the name
    /// looked up. Options may be given for it.
    pub alias: Option<Vec<u8>>,
    /// The source that knew the name.
    pub found_in: FoundIn,
    /// The command whose name was looked up, if it was found that way.
    pub command: Option<CommandRule>,
}

impl ModuleEntry {
    /// Whether the source that knew the name knows only what is built in.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        matches!(self.found_in, FoundIn::Builtin | FoundIn::BuiltinAliases)
    }
}

/// The database of one kernel together with the configuration. Its tables are opened when they are first asked.
pub struct ModuleDb {
    config: Config,
    tables: Tables,
}

impl ModuleDb {
    /// The database in a module directory; reads nothing.
    #[must_use]
    pub fn new(directory: ModuleDir, config: Config) -> Self {
        Self { config, tables: Tables::new(directory) }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The module directory.
    #[must_use]
    pub fn directory(&self) -> &ModuleDir {
        self.tables.directory()
    }

    /// What went wrong with tables since this was last asked, each table's trouble once.
    #[must_use]
    pub fn take_problems(&self) -> Vec<TableProblem> {
        self.tables.take_problems()
    }

    /// The modules that a name or alias means, in the order in which they are to be handled. A module may be
    /// there more than once.
    #[must_use]
    pub fn resolve(&self, name: &[u8]) -> Vec<ModuleEntry> {
        self.find(name).into_iter().map(|entry| self.completed(entry)).collect()
    }

    /// The same as far as the source that knows the name says it: file and dependencies are there only if it was
    /// [`FoundIn::Modules`]. For those who may not need them, or ask [`ModuleDb::installed`] later.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Vec<ModuleEntry> {
        let Ok(name) = normalize_alias(name) else { return Vec::new() };
        SOURCES.iter().map(|source| source(self, &name)).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The module of exactly that name: installed or built in, or else what is built in and has the name as an
    /// alias. No alias of an installed module or of the configuration is looked at.
    #[must_use]
    pub fn resolve_name(&self, name: &ModuleName) -> Vec<ModuleEntry> {
        let sources: [Knows; 3] = [modules, builtin, builtin_aliases];
        let name = name.as_bytes();
        let found = sources.iter().map(|source| source(self, name)).find(|found| !found.is_empty());
        found.unwrap_or_default().into_iter().map(|entry| self.completed(entry)).collect()
    }

    /// The module of the file at a path, with the dependencies of the installed module of that name.
    #[must_use]
    pub fn at_path(&self, path: &Path) -> ModuleEntry {
        let name = ModuleName::of_path(path.as_os_str().as_bytes());
        let entry = self.completed(bare(name, None, FoundIn::Path));
        ModuleEntry { path: Some(path.to_owned()), ..entry }
    }

    /// Whether the module is built into the kernel.
    #[must_use]
    pub fn is_builtin(&self, name: &ModuleName) -> bool {
        self.value(Table::Builtin, name.as_bytes()).is_some()
    }

    /// The file and dependencies of an installed module.
    #[must_use]
    pub fn installed(&self, name: &ModuleName) -> Option<DependencyLine> {
        let line = self.value(Table::Dependencies, name.as_bytes())?;
        DependencyLine::parse(&line, self.directory())
    }

    /// One line `alias KEY MODULE` for every alias and every symbol that modules bring, in the order of the
    /// indexes. What would not be one line, as older depmods let it in, is left out.
    #[must_use]
    pub fn alias_lines(&self) -> Vec<u8> {
        let tables = [Table::Aliases, Table::Symbols];
        tables.iter().filter_map(|&table| self.lines(table, b"alias ")).flatten().collect()
    }

    /// One line for every value of a table, in its order: this beginning, the key, a space and the value. What would
    /// not be one line is left out. `None` if the table cannot be used.
    #[must_use]
    pub fn lines(&self, table: Table, beginning: &[u8]) -> Option<Vec<u8>> {
        self.tables.ask(table, |index| {
            let mut lines = Vec::new();
            index.visit(|key, value| {
                if !(is_one_line(key) && is_one_line(&value.text)) {
                    return ControlFlow::Continue(());
                }
                for part in [beginning, key, b" ", &value.text, b"\n"] {
                    lines.extend_from_slice(part);
                }
                ControlFlow::Continue(())
            })?;
            Ok(lines)
        })
    }

    /// Whether a table can be used, be it from its text. It stays open for questions.
    #[must_use]
    pub fn is_usable(&self, table: Table) -> bool {
        self.tables.ask(table, |_| Ok(())).is_some()
    }

    /// The text of `modules.builtin.modinfo`, for [`crate::builtin`] to take apart.
    ///
    /// # Errors
    /// It is not there, not a regular file, or cannot be read.
    pub fn builtin_modinfo(&self) -> Result<Vec<u8>, Errno> {
        let text = self.directory().text(Table::BuiltinAliases);
        regular::read(&text, files::LONGEST_FILE).map_err(|error| error.errno())
    }

    /// Closes all tables. Questions from now on are answered from what is there then: what depmod has put in the
    /// place of a table is seen.
    pub fn close(&self) {
        self.tables.close();
    }

    fn value(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.tables.ask(table, |index| index.find(key)).flatten()
    }

    /// With the file and the dependencies of the installed module of that name, unless they are there.
    fn completed(&self, entry: ModuleEntry) -> ModuleEntry {
        if entry.found_in == FoundIn::Modules {
            return entry;
        }
        match self.installed(&entry.name) {
            Some(line) => ModuleEntry { path: Some(line.path), dependencies: line.dependencies, ..entry },
            None => entry,
        }
    }

    /// The modules that a table of aliases has for a name.
    fn search(&self, table: Table, name: &[u8], found_in: FoundIn) -> Vec<ModuleEntry> {
        let found = self.tables.ask(table, |index| index.search(name)).unwrap_or_default();
        found
            .into_iter()
            .map(|Value { text, .. }| bare(ModuleName::verbatim(&text), Some(name.to_vec()), found_in))
            .collect()
    }
}

/// A module about which nothing more is known.
fn bare(name: ModuleName, alias: Option<Vec<u8>>, found_in: FoundIn) -> ModuleEntry {
    ModuleEntry { name, path: None, dependencies: Vec::new(), alias, found_in, command: None }
}

/// A source of modules for a normalised name.
type Knows = fn(&ModuleDb, &[u8]) -> Vec<ModuleEntry>;

/// The sources in the order in which they are asked.
const SOURCES: [Knows; 7] = [config_aliases, modules, symbols, commands, aliases, builtin, builtin_aliases];

fn config_aliases(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    db.config
        .aliases_of(name)
        .map(|alias| {
            let target = ModuleName::verbatim(&alias.module);
            bare(target, Some(alias.pattern.clone()), FoundIn::ConfigAlias)
        })
        .collect()
}

fn modules(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    if name.contains(&b':') {
        return Vec::new();
    }
    let Some(line) = db.value(Table::Dependencies, name) else { return Vec::new() };
    let (path, dependencies) = DependencyLine::parse(&line, db.directory())
        .map_or((None, Vec::new()), |line| (Some(line.path), line.dependencies));
    let name = ModuleName::verbatim(name);
    vec![ModuleEntry { name, path, dependencies, alias: None, found_in: FoundIn::Modules, command: None }]
}

fn symbols(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    if !name.starts_with(b"symbol:") {
        return Vec::new();
    }
    db.search(Table::Symbols, name, FoundIn::Symbols)
}

fn commands(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    let mut commands = db.config.installs.iter().chain(&db.config.removes);
    let Some(command) = commands.find(|command| command.pattern == name) else { return Vec::new() };
    // compat: the module's name is cut at a dot, and its command comes along (case modprobe/lookup-command-dot).
    let entry = bare(ModuleName::new(name), None, FoundIn::Command);
    vec![ModuleEntry { command: Some(command.clone()), ..entry }]
}

fn aliases(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    db.search(Table::Aliases, name, FoundIn::Aliases)
}

fn builtin(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    let found = db.value(Table::Builtin, name);
    found.map(|_| bare(ModuleName::verbatim(name), None, FoundIn::Builtin)).into_iter().collect()
}

fn builtin_aliases(db: &ModuleDb, name: &[u8]) -> Vec<ModuleEntry> {
    db.search(Table::BuiltinAliases, name, FoundIn::BuiltinAliases)
}
