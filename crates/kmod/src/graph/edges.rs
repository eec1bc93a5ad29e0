//! The modules of a graph and what is between them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use moddb::ModuleDb;
use moddb::paths::Table;
use modfile::ModuleName;
use modkernel::proc_modules::LoadedModule;

/// How one module needs another. An edge leads from the one that needs to the one that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edge {
    /// It uses its symbols.
    Needs,
    /// The same, and the running kernel counts it as a user.
    Holds,
    /// It should be loaded before.
    SoftBefore,
    /// It should be loaded after.
    SoftAfter,
    /// It may be of use.
    Weak,
}

/// A graph; everything in the order of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    /// The modules, and whether each is loaded.
    pub modules: BTreeMap<ModuleName, bool>,
    pub edges: BTreeSet<(ModuleName, ModuleName, Edge)>,
}

/// The names of all installed modules.
pub(super) fn all(db: &ModuleDb) -> Vec<ModuleName> {
    let lines = db.lines(Table::Dependencies, b"").unwrap_or_default();
    let names = lines.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b' ').next());
    names.filter(|name| !name.is_empty()).map(ModuleName::verbatim).collect()
}

impl Graph {
    /// The graph of these modules and of all that they need, softly or not, and of what holds them.
    pub fn of(db: &ModuleDb, names: Vec<ModuleName>, loaded: &[LoadedModule]) -> Self {
        let holders: HashMap<&ModuleName, &LoadedModule> =
            loaded.iter().map(|module| (&module.name, module)).collect();
        let mut walk = Walk { db, needs: HashMap::new() };
        let mut graph = Self::default();
        let mut held = Vec::new();
        for name in &names {
            let users = holders.get(name).map(|module| module.holders.as_slice()).unwrap_or_default();
            held.extend(users.iter().map(|user| (user.clone(), name.clone())));
        }
        let mut next = names;
        while let Some(module) = next.pop() {
            if graph.modules.contains_key(&module) {
                continue;
            }
            graph.modules.insert(module.clone(), holders.contains_key(&module));
            for needed in walk.direct(&module) {
                let holds = holders.get(&needed).is_some_and(|needed| needed.holders.contains(&module));
                let edge = if holds { Edge::Holds } else { Edge::Needs };
                next.push(needed.clone());
                graph.edges.insert((module.clone(), needed, edge));
            }
            for (needed, edge) in soft(db, &module) {
                next.push(needed.clone());
                graph.edges.insert((module.clone(), needed, edge));
            }
        }
        for (user, module) in held {
            graph.modules.entry(user.clone()).or_insert(true);
            graph.edges.remove(&(user.clone(), module.clone(), Edge::Needs));
            graph.edges.insert((user, module, Edge::Holds));
        }
        graph
    }
}

/// What modules need, each looked up once.
struct Walk<'a> {
    db: &'a ModuleDb,
    needs: HashMap<ModuleName, Vec<ModuleName>>,
}

impl Walk<'_> {
    /// All that a module needs, also by way of others.
    fn all(&mut self, module: &ModuleName) -> &[ModuleName] {
        let db = self.db;
        self.needs.entry(module.clone()).or_insert_with(|| {
            let line = db.installed(module);
            line.into_iter().flat_map(|line| line.dependencies).map(|needed| needed.name).collect()
        })
    }

    /// What a module needs and none of the others that it needs does.
    fn direct(&mut self, module: &ModuleName) -> Vec<ModuleName> {
        let all = self.all(module).to_vec();
        let mut indirect = HashSet::new();
        for needed in &all {
            indirect.extend(self.all(needed).iter().cloned());
        }
        // Modules in a circle all need each other; none of them is left out.
        let is_circle = |needed: &ModuleName, walk: &mut Self| walk.all(needed).contains(module);
        all.into_iter().filter(|needed| !indirect.contains(needed) || is_circle(needed, self)).collect()
    }
}

/// What should come with a module. A name that means nothing here stands for itself.
fn soft(db: &ModuleDb, module: &ModuleName) -> Vec<(ModuleName, Edge)> {
    let mut found = Vec::new();
    let mut add = |names: &[Vec<u8>], edge| {
        for name in names {
            let entries = db.resolve(name);
            if entries.is_empty() {
                found.push((ModuleName::verbatim(name), edge));
            }
            found.extend(entries.into_iter().map(|entry| (entry.name, edge)));
        }
    };
    for softdep in db.config().softdeps_of(module.as_bytes()) {
        add(&softdep.pre, Edge::SoftBefore);
        add(&softdep.post, Edge::SoftAfter);
    }
    if let Some(weakdep) = db.config().weakdeps(module.as_bytes()) {
        add(&weakdep.modules, Edge::Weak);
    }
    found
}
