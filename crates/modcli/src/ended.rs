//! The end of a run as a value: nothing in the tools calls `exit` in the middle of its work.

use std::error::Error;
use std::fmt;

/// The status of a run. The tools know two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Status 0.
    Success,
    /// Status 1.
    Failure,
}

impl Exit {
    /// Failure if `failed`.
    #[must_use]
    pub fn failed_if(failed: bool) -> Self {
        if failed { Self::Failure } else { Self::Success }
    }

    /// The same, or failure if `failed`.
    #[must_use]
    pub fn or_failure_if(self, failed: bool) -> Self {
        if failed { Self::Failure } else { self }
    }

    /// The status as a number, 0 or 1.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
        }
    }
}

/// The run is over and all has been said: after a printed FATAL, after help, or because nobody reads the output.
///
/// Travels as an error, with `?`, to [`Session::finish`](crate::Session::finish), which returns the status and
/// prints nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(pub Exit);

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the run ended with status {}", self.0.status())
    }
}

impl Error for Ended {}
