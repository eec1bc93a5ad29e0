//! Carries out plans: the only place that changes the kernel in the course of one.
//!
//! Which kernel stands behind a plan is the caller's choice: a [`Stage`](crate::Stage), or any other. [`Terms`] say
//! what else may differ.

mod steps;
mod tree;

use std::time::Duration;

use modkernel::KernelOps;

use crate::environment::CommandEnvironment;
use crate::observer::Observer;

pub use steps::{Cause, LoadFailure, Loaded};
pub use tree::{Manner, Outcome, Stopped};

/// Whether plans change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They do.
    Real,
    /// The kernel only rehearses, and what would never get as far as the kernel succeeds.
    Rehearsed,
}

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
    /// How.
    pub terms: Terms,
    /// Lets time pass.
    pub pause: &'a dyn Fn(Duration),
}
