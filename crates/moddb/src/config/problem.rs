//! What is wrong with the configuration of modprobe.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::files::FileProblem;
use super::{Gravity, Location};

/// Why a part of the configuration has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigProblem {
    /// A file or directory.
    File(FileProblem),
    /// The line is incomplete, has an unmatched bracket in a name, or begins with a word that is not a command.
    BadLine {
        /// Where it stands.
        location: Location,
        /// Its first word.
        word: Vec<u8>,
    },
    /// The line is not one of those that count in a file beside the modules.
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
    pub fn severity(&self) -> Gravity {
        match self {
            // compat: kmod says nothing of a file that it may not read, which root never meets (test
            // `only_a_file_of_the_module_directory_may_be_missing`).
            Self::File(FileProblem::CannotRead { .. }) => Gravity::Warning,
            Self::File(problem) => problem.severity(),
            Self::BadLine { .. }
            | Self::BesideModules { .. }
            | Self::Deprecated { .. }
            | Self::BadKernelOption { .. } => Gravity::Error,
        }
    }

    /// What is wrong, as kmod words it, without the system's [`reason`](Self::reason). What is quoted of a file stays
    /// as it stands there: it need not be UTF-8.
    #[must_use]
    pub fn sentence(&self) -> Vec<u8> {
        match self {
            Self::File(problem) => problem.sentence(),
            Self::BadLine { location, word } => {
                location.sentence(" line ", "ignoring bad line starting with '", word, "'")
            }
            Self::BesideModules { location, word } => location.sentence(
                " line ",
                "ignoring line starting with '",
                &word.escape_ascii().collect::<Vec<u8>>(),
                "': beside the modules only softdep and weakdep lines count; run depmod to write the file anew",
            ),
            Self::Deprecated { file, word } => {
                let file = file.as_os_str().as_bytes();
                [file, b": command ", word, b" is deprecated and not parsed anymore"].concat()
            }
            Self::BadKernelOption { module } => {
                let before = "Ignoring bad option on kernel command line while parsing module name: '";
                [before.as_bytes(), module, b"'"].concat()
            }
        }
    }

    /// The system's reason, where the sentence is to be followed by one.
    #[must_use]
    pub fn reason(&self) -> Option<Errno> {
        match self {
            Self::File(problem) => problem.reason(),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.sentence()))
    }
}
