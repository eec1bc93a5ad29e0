//! What is to be done, worked out before anything is done.
//!
//! A plan is made of the module database and the configuration alone; for an unloading the facts about who
//! holds whom are handed in. Making a plan changes nothing and asks no kernel. What is loaded already is asked
//! when a plan is carried out, step by step, because every step may change it.

mod load;
mod unload;

use std::collections::BTreeSet;

use moddb::depend::MissingDependency;
use moddb::{ModuleDb, ModuleEntry};
use modfile::ModuleName;
use modfile::name::normalize_alias;

pub use load::{Action, LoadPlan, Role, Step, Target, load};
pub use unload::{Came, HoldersOf, UnloadOptions, UnloadPlan, unload};

/// How deep softdeps, or holders, may be nested; real ones are below ten.
pub(crate) const DEEPEST: usize = 256;

/// Something about a plan that is worth a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A file that a module depends on is not there.
    MissingDependency(MissingDependency),
    /// The softdeps, or holders, of a module are nested so deeply that the rest is left out.
    TooDeep(ModuleName),
    /// A softdep names what can be no name: its brackets do not match.
    NoName(Vec<u8>),
}

/// What softdeps bring in with a module.
#[derive(Default)]
struct Softdeps {
    /// Loaded before it.
    pre: Vec<ModuleEntry>,
    /// Loaded after it.
    post: Vec<ModuleEntry>,
}

/// What all softdep lines of a module name together, each name once. Unknown ones are left out.
fn softdeps(db: &ModuleDb, module: &ModuleName, notes: &mut Vec<Note>) -> Softdeps {
    let mut softdeps = Softdeps::default();
    let (mut pre, mut post) = (BTreeSet::new(), BTreeSet::new());
    for line in db.config().softdeps_of(module.as_bytes()) {
        for (names, seen, found) in
            [(&line.pre, &mut pre, &mut softdeps.pre), (&line.post, &mut post, &mut softdeps.post)]
        {
            for name in names {
                if !seen.insert(name.as_slice()) {
                    continue;
                }
                if normalize_alias(name).is_err() {
                    notes.push(Note::NoName(name.clone()));
                }
                found.extend(db.resolve(name));
            }
        }
    }
    softdeps
}
