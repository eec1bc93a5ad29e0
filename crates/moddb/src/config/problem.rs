//! What is wrong with the configuration of modprobe.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::files::FileProblem;
use super::{Location, Severity};

/// Why a part of the configuration has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigProblem {
    /// A file or directory.
    File(FileProblem),
    /// The line is incomplete, has an unmatched bracket in a name, or begins with a word that is no command.
    BadLine {
        /// Where it stands.
        location: Location,
        /// Its first word.
        word: Vec<u8>,
    },
    /// The line is none of those that count in a file beside the modules.
    BesideModules {
        /// Where it stands.
        location: Location,
        /// Its first word.
        word: Vec<u8>,
    },
    /// `include` or `config`.
    Deprecated {
        /// The file.
        file: Arc<Path>,
        /// The first word of the line.
        word: Vec<u8>,
    },
    /// A module name on the kernel's command line has an unmatched bracket.
    BadKernelOption {
        /// The name as written.
        module: Vec<u8>,
    },
}

impl ConfigProblem {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            // compat: kmod says nothing of a file that it may not read.
            Self::File(FileProblem::CannotRead { .. }) => Severity::Warning,
            Self::File(problem) => problem.severity(),
            Self::BadLine { .. }
            | Self::BesideModules { .. }
            | Self::Deprecated { .. }
            | Self::BadKernelOption { .. } => Severity::Error,
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => problem.fmt(formatter),
            Self::BadLine { location, word } => {
                let word = String::from_utf8_lossy(word);
                write!(formatter, "{location}: ignoring bad line starting with '{word}'")
            }
            Self::BesideModules { location, word } => {
                let word = word.escape_ascii();
                write!(
                    formatter,
                    "{location}: ignoring line starting with '{word}': beside the modules only softdep and weakdep \
                     lines count; run depmod to write the file anew"
                )
            }
            Self::Deprecated { file, word } => {
                let word = String::from_utf8_lossy(word);
                write!(formatter, "{}: command {word} is deprecated and not parsed anymore", file.display())
            }
            Self::BadKernelOption { module } => {
                let module = String::from_utf8_lossy(module);
                write!(
                    formatter,
                    "Ignoring bad option on kernel command line while parsing module name: '{module}'"
                )
            }
        }
    }
}
