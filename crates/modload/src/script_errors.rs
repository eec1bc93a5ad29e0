//! How commands of modutils.d fail.

use std::io;
use std::time::Duration;

/// How a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It ended with this status, other than 0.
    #[error("it ended with status {0}")]
    Status(i32),
    /// A signal ended it.
    #[error("signal {0} ended it")]
    Killed(i32),
    /// It was killed when the time of all commands was up.
    #[error("it was killed, because the commands of a run have {} s together", .0.as_secs())]
    TimeUp(Duration),
    /// It was started, and the system forgot it when it ended, or somebody else learned how that was.
    #[error(
        "how it ended cannot be known, because SIGCHLD is ignored or somebody else waits for all children"
    )]
    Unknown,
    /// There was no shell.
    #[error("it could not be started: {0}")]
    NotStarted(#[from] io::Error),
}

/// Why commands are not run, and what they are about is not done.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// It cannot be noted that they run, so they might be run within themselves without end.
    #[error("it cannot be noted that they run: {0}")]
    NoPlace(#[from] io::Error),
    /// Other processes run such commands, and are not ready in time.
    #[error("others have been running such commands for all of the time that there is")]
    TooLate,
    /// One of them makes the kernel ask for it again.
    #[error("one of them makes the kernel ask for it again")]
    WithinItself,
}
