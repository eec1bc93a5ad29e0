//! Configuration: modprobe.d, depmod.d and the kernel command line.
//!
//! Parsing is pure, bytes in and directives out; loading finds and reads the files. What is wrong with a file
//! is returned as a value that can be shown, and the rest of the file counts.

mod cmdline;
pub mod depmod;
mod directives;
pub mod files;
pub(crate) mod lines;
mod modprobe;
mod parse;
mod problem;
mod release;

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

pub use directives::{Alias, Blacklist, CommandRule, OptionsRule, Origin, Softdep, Weakdep};
pub use modprobe::Config;
pub use problem::ConfigProblem;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was found through the configured paths.
    pub file: Arc<Path>,
    /// The number of the last physical line of the directive, counted from 1.
    pub line: u32,
}

impl Location {
    /// `FILE<separator>LINE: <before>WORD<after>`; what is quoted of the file stays as it stands there.
    fn sentence(&self, separator: &str, before: &str, word: &[u8], after: &str) -> Vec<u8> {
        let line = format!("{separator}{}: {before}", self.line);
        [self.file.as_os_str().as_bytes(), line.as_bytes(), word, after.as_bytes()].concat()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} line {}", self.file.display(), self.line)
    }
}

/// How much a message matters to the person who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Something asked for is not done.
    Error,
    /// The answer may not be what is expected.
    Warning,
    /// Explains what happened; nothing is wrong.
    Info,
}
