//! When, where and how a run began.

use std::time::{Duration, SystemTime};

use crate::request::Surroundings;

/// The circumstances of a run.
pub(crate) struct Moment {
    /// When it began.
    pub(crate) began: SystemTime,
    /// How much later than by the clock it is taken to be.
    pub(crate) ahead: Duration,
    /// Where it began.
    pub(crate) surroundings: Surroundings,
    /// Whether the user said which kernel.
    pub(crate) was_said: bool,
}
