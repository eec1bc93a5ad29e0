//! What happens while plans are carried out, reported as data to the caller.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use moddb::config::files::FileProblem;
use modfile::ModuleName;
use modfile::regular::RegularError;
use modkernel::InsertError;
use modstate::config::Problem;
use modstate::modules_conf::OldLine;
use modstate::scripts::Script;
use modstate::settings::Notice;

use crate::command::{Command, CommandError};
use crate::plan::Step;
use crate::script_errors::{NotRun, ScriptError};

/// Something that is about to happen, or has happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// This step of a load begins. Reported before anything is done, and in a rehearsal, too.
    Step(&'a Step),
    /// A module was to be loaded that is only a name.
    NoFile(&'a ModuleName),
    /// A file was not read, or the kernel refused it. That it was loaded already is not a failure.
    NotInserted {
        /// The module.
        module: &'a ModuleName,
        /// Its file.
        path: &'a Path,
        /// Why.
        error: &'a InsertError,
    },
    /// The unloading of this module begins. Reported once, however many attempts follow.
    Removing(&'a ModuleName),
    /// The kernel did not unload a module.
    NotRemoved {
        /// The module.
        module: &'a ModuleName,
        /// Why.
        error: &'a io::Error,
    },
    /// This command is about to run. What was printed so far should be written first: the command may print, too.
    Command(&'a Command<'a>),
    /// A command failed.
    CommandFailed {
        /// The command.
        command: &'a Command<'a>,
        /// How.
        error: &'a CommandError,
    },
    /// An install command is not run, because it is running already, around this process.
    CommandWithinItself {
        /// The module for which it stands.
        module: &'a ModuleName,
        /// The shell's line, as configured.
        line: &'a [u8],
    },
    /// This command of modutils.d is about to run, or would if this were no rehearsal. What was printed so far should be
    /// written first: the command may print, too.
    Script(&'a Script),
    /// A command of modutils.d failed.
    ScriptFailed {
        /// The command.
        script: &'a Script,
        /// The module, or the requested name.
        about: &'a [u8],
        /// How.
        error: &'a ScriptError,
    },
    /// Commands of modutils.d are not run, and what they are about is not done.
    ScriptsNotRun {
        /// The module, or the requested name.
        about: &'a [u8],
        /// Why.
        reason: &'a NotRun,
    },
    /// A setting of a module was not saved or put back as it should be.
    Setting {
        /// The module.
        module: &'a ModuleName,
        /// What is worth reporting.
        notice: &'a Notice,
    },
    /// Something in modutils.d does not count.
    Modutils(&'a ModutilsProblem),
}

/// Something in modutils.d that does not count; the rest does.
#[derive(Debug)]
pub enum ModutilsProblem {
    /// A file or directory is not read.
    File(FileProblem),
    /// A line is not understood.
    Line {
        /// The file.
        file: PathBuf,
        /// The line and what is wrong with it.
        problem: Problem,
    },
    /// Commands in a file do not count, because others than root can have written it.
    Distrusted {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: Distrust,
    },
    /// `/etc/modules.conf` is to count and cannot be read.
    OldFile {
        /// The file.
        file: PathBuf,
        /// Why.
        error: RegularError,
    },
    /// Something in `/etc/modules.conf` does not count.
    OldLine {
        /// The file.
        file: PathBuf,
        /// The line, or lines.
        line: OldLine,
    },
}

/// Why commands of a file do not count.
#[derive(Debug)]
pub struct Distrust {
    /// The file, or a directory on the way to it.
    pub path: PathBuf,
    /// What is wrong with that.
    pub reason: RegularError,
}

/// Why a module stays that was to be unloaded, before the kernel was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is part of the kernel itself.
    Builtin,
    /// It is not there, and `first_time` makes that an error.
    Absent,
    /// It is in use.
    InUse,
    /// Its remove command failed.
    Command,
}

/// Sees what happens while plans are carried out.
pub trait Observer {
    /// Something happens, or has happened.
    fn event(&self, event: &Event<'_>);

    /// A module stays. Whether the rest of the plan is tried: what only a softdep brought in may fail.
    fn refused(&self, module: &ModuleName, refusal: Refusal) -> ControlFlow<()> {
        let _ = (module, refusal);
        ControlFlow::Continue(())
    }
}

/// Sees nothing and goes on: the result says enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}
