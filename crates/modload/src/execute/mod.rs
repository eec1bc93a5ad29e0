//! Carries out plans: the only place that changes the kernel in the course of one.
//!
//! Which kernel stands behind a plan is the caller's choice: a [`Stage`](crate::Stage), or any other. [`Terms`] say
//! what else may differ.

mod steps;
mod tree;

use std::time::Duration;

use modfile::ModuleName;
use modkernel::KernelOps;

use crate::environment::CommandEnvironment;
use crate::observer::Observer;
use crate::scripts::{Beginning, Begun, Change, Refused, Scripts};

pub use crate::effect::Effect;
pub use steps::{Cause, LoadFailure, Loaded};
pub use tree::{Manner, Outcome, Stopped};

/// Whether it makes a difference what is loaded already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does: there is nothing to do for a module that is there, or gone.
    Counts,
    /// As if nothing were loaded, and when unloading as if all were.
    Ignored,
}

/// How plans are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether they change anything.
    pub effect: Effect,
    /// Whether it makes a difference what is loaded already.
    pub presence: Presence,
    /// Whether a wanted module that is there, or gone, already is an error.
    pub first_time: bool,
}

/// What is needed to carry out plans.
pub struct Execution<'a> {
    /// The kernel.
    pub kernel: &'a mut dyn KernelOps,
    /// Sees what happens.
    pub observer: &'a dyn Observer,
    /// For commands of the configuration.
    pub commands: &'a CommandEnvironment,
    /// The commands of modutils.d around each change; none are run if there is nothing.
    pub scripts: Option<&'a Scripts<'a>>,
    /// How.
    pub terms: Terms,
    /// Lets time pass.
    pub pause: &'a dyn Fn(Duration),
}

/// What came of the wish to change a module: [`Beginning`], where there are commands around changes at all.
enum Start<'m> {
    Now(Option<Begun<'m>>),
    Made,
}

impl Execution<'_> {
    /// Runs the commands of modutils.d that come before a change. Where it makes no difference what is loaded nothing
    /// happens that they could be around.
    fn begin<'m>(&mut self, change: Change, module: &'m ModuleName) -> Result<Start<'m>, Refused> {
        match self.scripts.filter(|_| self.terms.presence == Presence::Counts) {
            None => Ok(Start::Now(None)),
            Some(scripts) => Ok(match scripts.begin(self.kernel, change, module)? {
                Beginning::Now(begun) => Start::Now(Some(begun)),
                Beginning::Made => Start::Made,
            }),
        }
    }

    /// Runs those that come after it.
    fn end(&mut self, begun: Option<Begun<'_>>, was_made: bool) {
        if let (Some(scripts), Some(begun)) = (self.scripts, begun) {
            scripts.end(self.kernel, begun, was_made);
        }
    }
}
