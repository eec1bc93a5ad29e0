//! The modules to load for one that is wanted, in their order.
//!
//! Dependencies come in the order of `modules.dep`, each with its softdeps around it, then the wanted module
//! with its own. A mark on each visited module ends loops of softdeps.
// compat: a dependency is not marked, so one that is also somebody's softdep stands in the plan twice (case
// modprobe/softdep-on-dependency).

use std::collections::BTreeSet;
use std::path::PathBuf;

use moddb::config::Origin;
use moddb::depend::{self, Dependency};
use moddb::{FoundIn, ModuleDb, ModuleEntry};
use modfile::ModuleName;
use modstate::rules::{Forbidden, Rules};

use crate::forbid;

use super::{DEEPEST, MOST, PlanNote, softdeps};

/// The module that is wanted.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The module.
    pub entry: &'a ModuleEntry,
    /// Parameters for it, after those of the configuration.
    pub params: &'a [u8],
    /// Whether its install command and softdeps are left aside.
    pub ignore_commands: bool,
    /// What may be loaded.
    pub rules: &'a Rules,
}

/// The modules to load for one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// The wanted module.
    pub target: ModuleName,
    /// What is to be done, in order.
    pub steps: Vec<Step>,
    /// Its modules that may not be loaded. Those that softdeps ask for are left out, with everything that only they bring
    /// in; any other that is not there already ends the load before it begins.
    pub forbidden: Vec<Prohibition>,
    /// What was met on the way.
    pub notes: Vec<PlanNote>,
}

/// A module that must not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prohibition {
    /// The module.
    pub module: ModuleName,
    /// Why it would be in the plan.
    pub role: Role,
    /// The line that forbids it.
    pub by: Forbidden,
}

/// One module of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The module.
    pub module: ModuleName,
    /// Why it is in the plan.
    pub role: Role,
    /// Whether it is part of the kernel itself.
    pub is_builtin: bool,
    /// What is done.
    pub action: Action,
    /// Its parameters.
    pub params: Vec<u8>,
}

/// Why a module is in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is wanted.
    Target,
    /// The target depends on it: without it there is no target.
    Required,
    /// A softdep asks for it: without it all goes on.
    Wished,
}

/// How a module is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// From its file.
    File(PathBuf),
    /// By a command of the configuration.
    Command {
        /// The shell's line, as configured.
        line: Vec<u8>,
        /// Where it is configured.
        origin: Origin,
    },
    /// Not at all: the kernel contains it.
    Builtin,
    /// Not at all: it is only a name.
    NoFile,
}

/// Plans the loading of a module.
#[must_use]
pub fn load(db: &ModuleDb, target: &Target<'_>) -> LoadPlan {
    let mut required: BTreeSet<Identity> = BTreeSet::new();
    required.insert(identity(target.entry));
    required.extend(target.entry.dependencies.iter().map(|dependency| (dependency.name.clone(), None)));
    let plan = LoadPlan {
        target: target.entry.name.clone(),
        steps: Vec::new(),
        forbidden: Vec::new(),
        notes: Vec::new(),
    };
    let softdeps = softdeps::Known::new(db);
    let (visited, surrounded, planned) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut planner = Planner { db, target, required, softdeps, visited, surrounded, planned, plan };
    planner.visit(target.entry, 0);
    planner.plan
}

/// What tells one module of a run from another: options may differ by alias.
type Identity = (ModuleName, Option<Vec<u8>>);

fn identity(entry: &ModuleEntry) -> Identity {
    (entry.name.clone(), entry.alias.clone())
}

struct Planner<'a> {
    db: &'a ModuleDb,
    target: &'a Target<'a>,
    required: BTreeSet<Identity>,
    softdeps: softdeps::Known<'a>,
    visited: BTreeSet<Identity>,
    /// Modules, without an alias, whose softdeps have all been visited.
    surrounded: BTreeSet<Identity>,
    /// Modules that stand in the plan.
    planned: BTreeSet<Identity>,
    plan: LoadPlan,
}

impl Planner<'_> {
    fn visit(&mut self, entry: &ModuleEntry, depth: usize) {
        if !self.visited.insert(identity(entry)) || !self.may_be_loaded(entry) {
            return;
        }
        for dependency in self.usable_dependencies(entry) {
            self.with_softdeps(&Module::from(dependency), depth);
        }
        if self.target.ignore_commands && identity(entry) == identity(self.target.entry) {
            self.append(&Module::from(entry), Commands::Ignored);
        } else {
            self.with_softdeps(&Module::from(entry), depth);
        }
    }

    /// Notes which module that comes in with this one is forbidden. Whether the plan goes on: a softdep is left out.
    fn may_be_loaded(&mut self, entry: &ModuleEntry) -> bool {
        if !self.target.rules.forbid_anything() {
            return true;
        }
        let names = entry.dependencies.iter().map(|dependency| &dependency.name).chain([&entry.name]);
        let mut may = true;
        for module in names.filter(|name| !self.db.is_builtin(name)) {
            let Some(by) = self.target.rules.forbidden(module) else { continue };
            let role = match identity(entry) == identity(self.target.entry) {
                false => Role::Wished,
                true if *module == entry.name => Role::Target,
                true => Role::Required,
            };
            may &= role != Role::Wished;
            self.forbidden(Prohibition { module: module.clone(), role, by: by.clone() });
        }
        if let Some(path) = entry.path.as_ref().filter(|_| entry.found_in == FoundIn::Path)
            && let Some((module, by)) = forbid::file(self.target.rules, path)
        {
            self.forbidden(Prohibition { module, role: Role::Target, by: by.clone() });
        }
        may
    }

    fn forbidden(&mut self, prohibition: Prohibition) {
        if !self.plan.forbidden.contains(&prohibition) {
            self.plan.forbidden.push(prohibition);
        }
    }

    fn with_softdeps(&mut self, module: &Module<'_>, depth: usize) {
        let surrounded = (module.name.clone(), None);
        if self.surrounded.contains(&surrounded) {
            return self.append(module, Commands::Honoured);
        }
        let softdeps = self.softdeps.of(module.name, &mut self.plan.notes);
        if depth >= DEEPEST && !softdeps.is_empty() {
            self.plan.notes.push(PlanNote::TooDeep(module.name.clone()));
            return self.append(module, Commands::Ignored);
        }
        for entry in softdeps.pre() {
            self.visit(entry, depth + 1);
        }
        // compat: in kmod any softdep voids the install command, and with it many a line meant to keep a module
        // out (case modprobe/install-softdep).
        self.append(module, Commands::Honoured);
        for entry in softdeps.post() {
            self.visit(entry, depth + 1);
        }
        self.surrounded.insert(surrounded);
    }

    // compat: if one file is missing, all dependencies are left out and the module is tried without (case
    // modprobe/dependency-file-missing).
    fn usable_dependencies<'e>(&mut self, entry: &'e ModuleEntry) -> &'e [Dependency] {
        match depend::check(&entry.dependencies) {
            Ok(()) => &entry.dependencies,
            Err(missing) => {
                self.plan.notes.push(PlanNote::MissingDependency(missing));
                &[]
            }
        }
    }

    fn append(&mut self, module: &Module<'_>, commands: Commands) {
        let identity = (module.name.clone(), module.alias.map(<[u8]>::to_vec));
        // A second step for a module finds it loaded: it matters only to those who compare plans.
        if !self.planned.insert(identity.clone()) && self.plan.steps.len() >= MOST {
            return;
        }
        let is_target = identity == self::identity(self.target.entry);
        let role = match self.required.contains(&identity) {
            true if is_target => Role::Target,
            true => Role::Required,
            false => Role::Wished,
        };
        let is_builtin = module.is_builtin || !module.is_path && self.db.is_builtin(module.name);
        let action = self.action(module, commands, is_builtin);
        let params = self.params(module, is_target);
        let step = Step { module: module.name.clone(), role, is_builtin, action, params };
        self.plan.steps.push(step);
    }

    fn action(&self, module: &Module<'_>, commands: Commands, is_builtin: bool) -> Action {
        let config = self.db.config();
        let command = match commands {
            Commands::Ignored => None,
            Commands::Honoured => module
                .command
                .filter(|command| config.installs.contains(command))
                .or_else(|| config.install_command(module.name.as_bytes())),
        };
        match (command, module.path) {
            (Some(command), _) => {
                Action::Command { line: command.line.clone(), origin: command.origin.clone() }
            }
            (None, Some(path)) => Action::File(path.clone()),
            (None, None) if is_builtin => Action::Builtin,
            (None, None) => Action::NoFile,
        }
    }

    // compat: a space stays behind the configuration's parameters when none follow (case modprobe/options-one).
    fn params(&self, module: &Module<'_>, is_target: bool) -> Vec<u8> {
        let mut params = self.db.config().options_for(module.name.as_bytes(), module.alias);
        if !params.is_empty() {
            params.push(b' ');
        }
        if is_target {
            params.extend_from_slice(self.target.params);
        }
        params
    }
}

/// Whether an install command stands for the module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commands {
    Honoured,
    Ignored,
}

/// A module to append, from a lookup or from a list of dependencies.
struct Module<'a> {
    name: &'a ModuleName,
    path: Option<&'a PathBuf>,
    alias: Option<&'a [u8]>,
    command: Option<&'a moddb::config::CommandRule>,
    is_path: bool,
    /// It was found among the built-in modules.
    is_builtin: bool,
}

impl<'a> From<&'a ModuleEntry> for Module<'a> {
    fn from(entry: &'a ModuleEntry) -> Self {
        Self {
            name: &entry.name,
            path: entry.path.as_ref(),
            alias: entry.alias.as_deref(),
            command: entry.command.as_ref(),
            is_path: entry.found_in == FoundIn::Path,
            is_builtin: entry.is_builtin(),
        }
    }
}

impl<'a> From<&'a Dependency> for Module<'a> {
    fn from(dependency: &'a Dependency) -> Self {
        Self {
            name: &dependency.name,
            path: Some(&dependency.path),
            alias: None,
            command: None,
            is_path: false,
            is_builtin: false,
        }
    }
}
