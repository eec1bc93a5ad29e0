//! What a run of modprobe is to do, as data: after this nobody looks at options.

mod read;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use modcli::Hints;
use modkernel::{InsertFlags, RemoveFlags};
use modload::{Demand, Persist, Terms};

pub(crate) use read::absolute;

/// A run of modprobe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub action: Work,
    /// Where modules and configuration are.
    pub place: Place,
    /// On whose behalf modules are loaded.
    pub demand: Demand,
    /// Options that a modprobe within a command is to have as well, each with its value.
    pub handed_on: Vec<(&'static str, Option<OsString>)>,
    /// When hints are given.
    pub hints: Hints,
}

/// Where modules and configuration are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Root of the system that the modules belong to, as text before the module directory; empty for `/`.
    pub root: PathBuf,
    /// The kernel's release; `None` for the running one.
    pub release: Option<OsString>,
    /// Files or directories instead of the modprobe.d directories, if any.
    pub config: Vec<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Print configuration and aliases.
    ShowConfig,
    /// Print symbols of a module.
    ShowSymbols {
        /// Which.
        which: Symbols,
        /// A path or a name.
        module: OsString,
    },
    /// Print the modules that names mean.
    ShowNames {
        /// The names.
        names: Vec<OsString>,
        /// Whether to go on after one that is not found.
        after_failure: AfterFailure,
    },
    /// Print the files of modules.
    List {
        /// Shell pattern for the name.
        pattern: Option<OsString>,
        /// A directory on the way to the file.
        below: Option<OsString>,
    },
    /// Print what names mean and what would be done.
    Explain {
        /// The names.
        names: Vec<OsString>,
        /// How it is printed.
        format: Format,
    },
    /// Print what in the configuration is wrong or has no effect.
    Check {
        /// The modules that count; all if empty.
        names: Vec<OsString>,
        /// How it is printed.
        format: Format,
    },
    /// Save settings of loaded modules.
    SaveSettings(Vec<OsString>),
    /// Put settings of loaded modules back.
    RestoreSettings {
        /// The modules; all that are loaded if empty.
        names: Vec<OsString>,
        /// Whether anything is put back, or only noted that there is something to put back.
        persist: Persist,
    },
    /// Print settings of modules.
    ShowSettings(Vec<OsString>),
    /// Load modules.
    Load(Load),
    /// Unload modules.
    Unload(Unload),
}

/// Which symbols are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// The versions that a module needs.
    Needed,
    /// The versions that a module exports.
    Exported,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whether one operand's failure ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It does: FATAL.
    Stop,
    /// The next operand follows: WARNING.
    GoOn,
}

/// How plans are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// Whether they change anything, and what counts.
    pub terms: Terms,
    /// Whether each step is shown.
    pub show: bool,
    /// Whether to go on after one operand that fails.
    pub after_failure: AfterFailure,
}

/// A request to load modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// What to load.
    pub modules: Vec<Wanted>,
    /// How.
    pub how: How,
    /// Whether settings are put back.
    pub persist: Persist,
    /// Whether install commands and softdeps of the named modules are left aside.
    pub ignore_commands: bool,
    /// Whether the blacklist holds for modules named directly.
    pub use_blacklist: bool,
    /// What is not checked.
    pub flags: InsertFlags,
}

/// A module to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name, alias or path.
    pub operand: OsString,
    /// Its parameters, quoted as the kernel wants them, separated by spaces.
    pub params: Vec<u8>,
}

/// A request to unload modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unload {
    /// Names or aliases.
    pub names: Vec<OsString>,
    /// How.
    pub how: How,
    /// Whether settings are saved.
    pub persist: Persist,
    /// Whether remove commands and softdeps of the named modules are left aside.
    pub ignore_commands: bool,
    /// Whether the modules that use it are unloaded first.
    pub with_holders: bool,
    /// How long to wait for users to go away.
    pub wait: Option<Duration>,
    /// How the kernel is asked.
    pub flags: RemoveFlags,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is nothing to do it with.
    NoOperands,
    /// `-w` without a number.
    BadWait(OsString),
    /// `-t` without `-l`.
    TypeWithoutList,
    /// `--json` without `--explain` or `--check`.
    JsonWithoutExplain,
    /// `--save-settings` with `-n` or `-D`.
    SaveDry,
    /// `--restore-settings` with `-n` or `-D`.
    RestoreDry,
}
