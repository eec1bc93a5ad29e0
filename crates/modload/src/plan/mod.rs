//! What is to be done, worked out before anything is done.
//!
//! A plan is made of the module database and the configuration alone; for an unloading the facts about who
//! holds whom are handed in. Making a plan changes nothing and asks no kernel. What is loaded already is asked
//! when a plan is carried out, step by step, because every step may change it.

mod load;
mod softdeps;
mod unload;

use moddb::depend::MissingDependency;
use modfile::ModuleName;

pub use load::{Action, LoadPlan, Prohibition, Role, Step, Target, load};
pub use unload::{Came, HoldersOf, UnloadOptions, UnloadPlan, unload};

/// How deep softdeps, or holders, may be nested; real ones are below ten.
const DEEPEST: usize = 256;

/// More modules than any kernel has; a plan that reaches this repeats itself.
const MOST: usize = 10_000;

/// Something about a plan that is worth reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanNote {
    /// A file that a module depends on is not there.
    MissingDependency(MissingDependency),
    /// The softdeps, or holders, of a module are nested so deeply that the rest is left out.
    TooDeep(ModuleName),
    /// A softdep names what cannot be a name: its brackets do not match.
    NoName(Vec<u8>),
}
