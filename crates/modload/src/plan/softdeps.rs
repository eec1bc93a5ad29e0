//! What the softdep lines of modules bring in. A plan meets the same module many times over, so each is looked up
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use moddb::{ModuleDb, ModuleEntry};
use modfile::ModuleName;
use modfile::name::normalize_alias;

use super::PlanNote;

/// What is loaded around a module because softdeps say so.
#[derive(Debug, Default)]
pub(super) struct Softdeps {
    /// Loaded before it: for each name the modules that it means.
    pre: Vec<Rc<[ModuleEntry]>>,
    /// Loaded after it.
    post: Vec<Rc<[ModuleEntry]>>,
}

impl Softdeps {
    pub fn pre(&self) -> impl DoubleEndedIterator<Item = &ModuleEntry> {
        self.pre.iter().flat_map(|found| found.iter())
    }

    pub fn post(&self) -> impl DoubleEndedIterator<Item = &ModuleEntry> {
        self.post.iter().flat_map(|found| found.iter())
    }

    pub fn is_empty(&self) -> bool {
        self.pre().next().is_none() && self.post().next().is_none()
    }
}

/// The softdeps of all modules that were asked for.
pub(super) struct Known<'a> {
    db: &'a ModuleDb,
    softdeps: BTreeMap<ModuleName, Rc<Softdeps>>,
    meanings: BTreeMap<&'a [u8], Rc<[ModuleEntry]>>,
}

impl<'a> Known<'a> {
    pub fn new(db: &'a ModuleDb) -> Self {
        Self { db, softdeps: BTreeMap::new(), meanings: BTreeMap::new() }
    }

    /// What all softdep lines of a module name together, each name once. Unknown ones are left out.
    pub fn of(&mut self, module: &ModuleName, notes: &mut Vec<PlanNote>) -> Rc<Softdeps> {
        if let Some(known) = self.softdeps.get(module) {
            return Rc::clone(known);
        }
        let mut found = Softdeps::default();
        let (mut pre, mut post) = (BTreeSet::new(), BTreeSet::new());
        for line in self.db.config().softdeps_of(module.as_bytes()) {
            let names = line.pre.iter().map(Vec::as_slice).filter(|&name| pre.insert(name));
            found.pre.extend(names.map(|name| self.meaning(name, notes)));
            let names = line.post.iter().map(Vec::as_slice).filter(|&name| post.insert(name));
            found.post.extend(names.map(|name| self.meaning(name, notes)));
        }
        let found = Rc::new(found);
        self.softdeps.insert(module.clone(), Rc::clone(&found));
        found
    }

    fn meaning(&mut self, name: &'a [u8], notes: &mut Vec<PlanNote>) -> Rc<[ModuleEntry]> {
        if normalize_alias(name).is_err() {
            notes.push(PlanNote::NoName(name.to_vec()));
        }
        let look_up = || Rc::from(self.db.resolve(name));
        Rc::clone(self.meanings.entry(name).or_insert_with(look_up))
    }
}
