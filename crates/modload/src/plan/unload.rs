//! The modules to unload for one that shall go, as a tree: each with those that go before and after it.

use std::collections::BTreeSet;

use moddb::config::Origin;
use moddb::{ModuleDb, ModuleEntry};
use modfile::ModuleName;

use super::{DEEPEST, MOST, PlanNote, softdeps};

/// The unloading of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnloadPlan {
    /// The module.
    pub module: ModuleName,
    /// How it came into the plan.
    pub came: Came,
    /// Whether it is part of the kernel itself.
    pub is_builtin: bool,
    /// Softdeps that were loaded after it; they go first, and whether they do makes no difference.
    pub after: Vec<UnloadPlan>,
    /// Modules that use it and are to go before it.
    pub holders: Vec<UnloadPlan>,
    /// A command of the configuration that stands for unloading it: the shell's line and where it is configured.
    pub command: Option<(Vec<u8>, Origin)>,
    /// What it depends on, in the order of loading; each goes when nothing uses it any more.
    pub dependencies: Vec<ModuleName>,
    /// Softdeps that were loaded before it; they go last, and whether they do makes no difference.
    pub before: Vec<UnloadPlan>,
}

/// How a module came into a plan of unloading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was named.
    Named,
    /// A softdep or a holder brought it in.
    Along,
}

/// Returns the modules that use a module.
pub type HoldersOf<'a> = &'a dyn Fn(&ModuleName) -> Vec<ModuleName>;

/// What is asked of an unloading.
pub struct UnloadOptions<'a> {
    /// Whether the named module's remove command and softdeps are left aside.
    pub ignore_commands: bool,
    /// Who uses a module, if those are to go first.
    pub holders: Option<HoldersOf<'a>>,
}

/// Plans the unloading of a module.
pub fn unload(
    db: &ModuleDb,
    entry: &ModuleEntry,
    options: &UnloadOptions<'_>,
    notes: &mut Vec<PlanNote>,
) -> UnloadPlan {
    let mut planner = Planner {
        db,
        options,
        notes,
        softdeps: softdeps::Known::new(db),
        above: BTreeSet::new(),
        planned: 0,
    };
    planner.plan(entry, Came::Named, options.ignore_commands, options.holders.is_some())
}

struct Planner<'a> {
    db: &'a ModuleDb,
    options: &'a UnloadOptions<'a>,
    notes: &'a mut Vec<PlanNote>,
    softdeps: softdeps::Known<'a>,
    /// The modules on the way from the named one: softdeps may lead in circles.
    above: BTreeSet<ModuleName>,
    planned: usize,
}

impl Planner<'_> {
    fn plan(
        &mut self,
        entry: &ModuleEntry,
        came: Came,
        ignore_commands: bool,
        with_holders: bool,
    ) -> UnloadPlan {
        self.planned = self.planned.saturating_add(1);
        let config = self.db.config();
        let name = entry.name.as_bytes();
        let (mut before, mut after, mut command) = (Vec::new(), Vec::new(), None);
        let mut holders = Vec::new();
        let is_first_visit = self.above.insert(entry.name.clone());
        if !ignore_commands {
            command =
                config.remove_command(name).map(|command| (command.line.clone(), command.origin.clone()));
        }
        if self.above.len() > DEEPEST || self.planned > MOST {
            self.notes.push(PlanNote::TooDeep(entry.name.clone()));
        } else if is_first_visit {
            if !ignore_commands {
                let softdeps = self.softdeps.of(&entry.name, self.notes);
                after = self.softdeps(softdeps.post());
                before = self.softdeps(softdeps.pre());
            }
            if with_holders && let Some(holders_of) = self.options.holders {
                holders = self.holders(holders_of(&entry.name));
            }
        }
        if is_first_visit {
            self.above.remove(&entry.name);
        }
        UnloadPlan {
            is_builtin: entry.is_builtin() || self.db.is_builtin(&entry.name),
            module: entry.name.clone(),
            came,
            after,
            holders,
            dependencies: match command {
                Some(_) => Vec::new(),
                None => entry.dependencies.iter().map(|dependency| dependency.name.clone()).collect(),
            },
            command,
            before,
        }
    }

    /// Softdeps go in the reverse order of their loading.
    fn softdeps<'e>(&mut self, entries: impl DoubleEndedIterator<Item = &'e ModuleEntry>) -> Vec<UnloadPlan> {
        entries.rev().filter_map(|entry| self.along(entry, false)).collect()
    }

    // compat: the last one listed goes first (case modprobe/remove-holders).
    fn holders(&mut self, names: Vec<ModuleName>) -> Vec<UnloadPlan> {
        let found = names.into_iter().rev().map(|name| named(self.db, name));
        found.collect::<Vec<_>>().iter().filter_map(|entry| self.along(entry, true)).collect()
    }

    fn along(&mut self, entry: &ModuleEntry, with_holders: bool) -> Option<UnloadPlan> {
        // A module on the way here already has its place in the plan.
        if self.above.contains(&entry.name) {
            return None;
        }
        Some(self.plan(entry, Came::Along, false, with_holders))
    }
}

/// The module of a name that is no alias.
fn named(db: &ModuleDb, name: ModuleName) -> ModuleEntry {
    let line = db.installed(&name);
    let (path, dependencies) = line.map_or((None, Vec::new()), |line| (Some(line.path), line.dependencies));
    ModuleEntry { name, path, dependencies, alias: None, found_in: moddb::FoundIn::Modules, command: None }
}
