//! What the lines of modprobe.d say, one type per kind of line.
//!
//! Names are in the form in which aliases are compared, except where it says "as written".

use std::fmt;

use super::Location;

/// Where a directive comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File(Location),
    /// The kernel's command line.
    KernelCommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(location) => location.fmt(formatter),
            Self::KernelCommandLine => formatter.write_str("the kernel command line"),
        }
    }
}

/// `alias PATTERN MODULE`: names that match the pattern mean the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// A shell pattern.
    pub pattern: Vec<u8>,
    /// The module; not looked up as an alias again.
    pub module: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
}

/// `blacklist MODULE`: aliases do not bring the module in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blacklist {
    /// The module; as written if it comes from the kernel's command line.
    pub module: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
}

/// `options MODULE TEXT`: parameters for the module, or for what is found through that alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsRule {
    /// The module or alias.
    pub module: Vec<u8>,
    /// The parameters as written, tabs turned into spaces.
    pub text: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
}

/// `install PATTERN COMMAND` or `remove PATTERN COMMAND`: a shell command instead of the insertion or removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// A shell pattern for module names.
    pub pattern: Vec<u8>,
    /// The command as written.
    pub line: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
}

/// `softdep PATTERN [pre: M...] [post: M...]`: what to load before and after, if it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softdep {
    /// A shell pattern for module names.
    pub pattern: Vec<u8>,
    /// Names or aliases to load before, as written.
    pub pre: Vec<Vec<u8>>,
    /// Names or aliases to load after, as written.
    pub post: Vec<Vec<u8>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// `weakdep PATTERN M...`: what an initramfs should have too; never loaded because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakdep {
    /// A shell pattern for module names.
    pub pattern: Vec<u8>,
    /// Names or aliases, as written.
    pub modules: Vec<Vec<u8>>,
    /// Where it comes from.
    pub origin: Origin,
}
