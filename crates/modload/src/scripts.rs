//! Runs the commands that modutils.d names around the loading and unloading of a module, and for requests of the kernel
//! that no module answers. All tools use this code, so that they behave alike.
//!
//! The caller may be the kernel, on behalf of any user, or sudo: a command gets an environment that is made here,
//! whatever it is about stands in variables, and all commands of one run share one span of time, those included that a
//! tool runs within a command.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState};
use modstate::running::{Nested, Subject, Taken, Turn, Waiting};
use modstate::scripts::{Moment, Script};
use modstate::{BootTime, Clock, Places};
use rustix::io::Errno;

use crate::effect::Effect;
use crate::environment::CommandEnvironment;
use crate::lineage;
use crate::modutils::Modutils;
use crate::observer::{Event, Observer};
use crate::script_errors::{NotRun, ScriptError};

/// The first and the longest pause between two looks at a command.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
/// How much earlier the time is up for a tool within a command: it is to end what it runs before it is killed itself.
const EARLIER: u64 = 100;

/// A module is not loaded or unloaded because of its commands. The observer knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its commands in modutils.d failed")]
pub struct Refused;

/// What is done to a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is loaded.
    Install,
    /// It is unloaded.
    Remove,
}

impl Change {
    fn before(self) -> Moment {
        match self {
            Self::Install => Moment::PreInstall,
            Self::Remove => Moment::PreRemove,
        }
    }

    fn after(self) -> Moment {
        match self {
            Self::Install => Moment::PostInstall,
            Self::Remove => Moment::PostRemove,
        }
    }
}

/// A change that may be made now.
#[must_use = "commands that follow it are run by `end`"]
pub struct Begun<'m> {
    module: &'m ModuleName,
    change: Change,
    commands: Commands,
}

enum Commands {
    /// There are none, or they are not to be run.
    None,
    /// Those that follow are shown.
    Shown,
    /// Those that follow are run; other processes wait meanwhile.
    Run(Turn),
}

/// What came of the wish to make a change.
pub enum Beginning<'m> {
    /// It may be made.
    Now(Begun<'m>),
    /// Another process made it meanwhile.
    Made,
}

/// Runs commands of modutils.d in one run of a tool.
pub struct Scripts<'a> {
    modutils: &'a Modutils<'a>,
    places: &'a Places,
    clock: &'a dyn Clock,
    observer: &'a dyn Observer,
    environment: &'a CommandEnvironment,
    effect: Effect,
    skipped: bool,
    until: Cell<Option<BootTime>>,
    failed: Cell<bool>,
}

impl<'a> Scripts<'a> {
    /// Those of a run, which are only shown in a rehearsal.
    #[must_use]
    pub fn new(
        (modutils, places): (&'a Modutils<'a>, &'a Places),
        clock: &'a dyn Clock,
        observer: &'a dyn Observer,
        environment: &'a CommandEnvironment,
        effect: Effect,
    ) -> Self {
        let (until, failed) = (Cell::new(None), Cell::new(false));
        Self { modutils, places, clock, observer, environment, effect, skipped: false, until, failed }
    }

    /// The same, none of which is run if the caller says so. The command that stands for a module is expected to say so
    /// of that command alone: what it does to the module is what the others are around.
    #[must_use]
    pub fn skipped_if(self, skipped: bool) -> Self {
        Self { skipped, ..self }
    }

    /// Whether a command failed whose failure stopped nothing.
    #[must_use]
    pub fn have_failed(&self) -> bool {
        self.failed.get()
    }

    /// Runs what comes before a change. [`Scripts::end`] is to follow, whether the change succeeds or not.
    ///
    /// # Errors
    /// The change must not be made; the observer knows why.
    pub fn begin<'m>(
        &self,
        kernel: &mut dyn KernelOps,
        change: Change,
        module: &'m ModuleName,
    ) -> Result<Beginning<'m>, Refused> {
        let now = |commands| Ok(Beginning::Now(Begun { module, change, commands }));
        let scripts = self.modutils.config(self.observer).scripts();
        let has_any = |moment| scripts.around(moment, module).next().is_some();
        let is_skipped = self.skipped && !self.environment.is_running(module);
        if is_skipped || !(has_any(change.before()) || has_any(change.after())) {
            return now(Commands::None);
        }
        let before = scripts.around(change.before(), module);
        if self.effect == Effect::Rehearsed {
            before.for_each(|script| self.observer.event(&Event::Script(script)));
            return now(Commands::Shown);
        }
        let turn = match self.take(Subject::Module(module), module.as_bytes())? {
            Taking::Ours(turn) => turn,
            // Its commands are running around this process.
            Taking::Within => return now(Commands::None),
            Taking::Shared(_) => return Ok(Beginning::Made),
        };
        let wanted = match change {
            Change::Install => ModuleState::Live,
            Change::Remove => ModuleState::Absent,
        };
        // It may have been made since the caller looked: by whoever had the turn before.
        if kernel.state(module).is_ok_and(|state| state == wanted) {
            turn.end(self.clock.since_boot(), true);
            return Ok(Beginning::Made);
        }
        for script in before {
            if self.run(kernel, script, Subject::Module(module), &turn).is_err() {
                turn.end(self.clock.since_boot(), false);
                return Err(Refused);
            }
        }
        now(Commands::Run(turn))
    }

    /// Runs what comes after a change, if it was made. A command that fails changes nothing any more.
    pub fn end(&self, kernel: &mut dyn KernelOps, begun: Begun<'_>, was_made: bool) {
        let Begun { module, change, commands } = begun;
        let scripts = self.modutils.config(self.observer).scripts();
        let mut after = scripts.around(change.after(), module).filter(|_| was_made);
        match commands {
            Commands::None => {}
            Commands::Shown => after.for_each(|script| self.observer.event(&Event::Script(script))),
            Commands::Run(turn) => {
                for script in after.by_ref() {
                    if self.run(kernel, script, Subject::Module(module), &turn).is_err() {
                        self.failed.set(true);
                    }
                }
                turn.end(self.clock.since_boot(), true);
            }
        }
    }

    /// Answers a request of the kernel that no module answers; says whether that succeeded. `None` if no line names it.
    pub fn answer(&self, kernel: &mut dyn KernelOps, name: &OsStr, normalized: &[u8]) -> Option<bool> {
        let script = self.modutils.config(self.observer).scripts().on_request(normalized)?;
        let turn = match self.take(Subject::Request(name), name.as_bytes()) {
            Ok(Taking::Ours(turn)) => turn,
            Ok(Taking::Shared(success)) => return Some(success),
            Ok(Taking::Within) | Err(Refused) => return Some(false),
        };
        let success = self.run(kernel, script, Subject::Request(name), &turn).is_ok();
        turn.end(self.clock.since_boot(), success);
        Some(success)
    }

    fn take(&self, subject: Subject<'_>, about: &[u8]) -> Result<Taking, Refused> {
        let nested = |group| lineage::called_from(&self.places.proc, group, self.environment.process());
        let until = self.until();
        let waiting = Waiting { places: self.places, clock: self.clock, until, nested: &nested };
        let reason = match waiting.take(subject) {
            Ok(Taken::Ours(turn)) => return Ok(Taking::Ours(turn)),
            Ok(Taken::Shared(success)) => return Ok(Taking::Shared(success)),
            Ok(Taken::Nested(Nested::Called)) => return Ok(Taking::Within),
            // Loading the module now would be behind the back of a command that may still decide against it; and
            // whether it is really that command for which the kernel asks is a guess.
            Ok(Taken::Nested(Nested::Asked)) => NotRun::WithinItself,
            Ok(Taken::TooLate) => NotRun::TooLate,
            Err(error) => NotRun::NoPlace(error),
        };
        self.observer.event(&Event::ScriptsNotRun { about, reason: &reason });
        Err(Refused)
    }

    fn run(
        &self,
        kernel: &mut dyn KernelOps,
        script: &Script,
        subject: Subject<'_>,
        turn: &Turn,
    ) -> Result<(), ScriptError> {
        self.observer.event(&Event::Script(script));
        let (module, about) = match subject {
            Subject::Module(module) => (Some(module), module.as_bytes()),
            Subject::Request(name) => (None, name.as_bytes()),
        };
        let until = self.until();
        let variables: Vec<(&'static str, OsString)> = self.environment.of_script(
            script.moment.word(),
            module,
            BootTime(until.0.saturating_sub(EARLIER)),
        );
        let variables: Vec<(&str, &OsStr)> =
            variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let (mut noted, mut pause) = (false, FIRST_PAUSE);
        let mut meanwhile = |group| {
            if !std::mem::replace(&mut noted, true) {
                turn.note(group);
            }
            if self.clock.since_boot() >= until {
                return ControlFlow::Break(());
            }
            self.clock.pause(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            ControlFlow::Continue(())
        };
        let ended = kernel.run_script(OsStr::from_bytes(&script.command), &variables, &mut meanwhile);
        let error = match ended {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => how(status),
            Ok(None) => ScriptError::TimeUp(self.modutils.config(self.observer).scripts().time()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::CHILD) => ScriptError::Unknown,
            Err(error) => ScriptError::NotStarted(error),
        };
        self.observer.event(&Event::ScriptFailed { script, about, error: &error });
        Err(error)
    }

    /// When the time of all commands of this run is up: it begins when it is first asked for.
    fn until(&self) -> BootTime {
        self.until.get().unwrap_or_else(|| {
            let time = self.modutils.config(self.observer).scripts().time();
            let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let ours = BootTime(self.clock.since_boot().0.saturating_add(time));
            let until = self.environment.until().map_or(ours, |around| around.min(ours));
            self.until.set(Some(until));
            until
        })
    }
}

enum Taking {
    Ours(Turn),
    Shared(bool),
    Within,
}

fn how(status: ExitStatus) -> ScriptError {
    match status.code() {
        Some(code) => ScriptError::Status(code),
        None => ScriptError::Killed(status.signal().unwrap_or_default()),
    }
}
