//! The context of a run: data, and where messages go.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use modcli::Session;
use moddb::ModuleDb;
use moddb::config::ConfigProblem;
use modkernel::{KernelOps, Sysfs};
use modload::{
    CommandEnvironment, Demand, Effect, Environment, Execution, Modutils, Observer, Persist, Recorder,
    Scripts, Settings, Terms,
};
use modstate::{Clock, Places};

use crate::caller::Caller;

/// The system in which modprobe runs, as values.
pub struct System<'a, K> {
    /// The kernel.
    pub kernel: K,
    /// Where the system shows itself and keeps what is remembered.
    pub places: &'a Places,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who called this process.
    pub caller: Caller,
    /// The variables of the environment.
    pub environment: Environment,
    /// The release of the running kernel.
    pub release: OsString,
    /// Where relative paths begin.
    pub current_dir: &'a dyn Fn() -> PathBuf,
}

/// What the parts of a run share.
pub(crate) struct Run<'a> {
    pub session: &'a Session,
    pub places: &'a Places,
    pub clock: &'a dyn Clock,
    pub caller: Caller,
    pub demand: Demand,
    /// The release of the running kernel.
    pub running: OsString,
    /// The release whose modules count.
    pub release: OsString,
    pub current_dir: &'a dyn Fn() -> PathBuf,
    /// Lets time pass.
    pub pause: &'a dyn Fn(Duration),
    /// Files or directories of configuration that were named instead of the system's.
    pub config_places: Vec<PathBuf>,
    /// What was wrong with the configuration.
    pub problems: Vec<ConfigProblem>,
    pub db: ModuleDb,
    pub commands: CommandEnvironment,
    pub modutils: Modutils<'a>,
}

impl Run<'_> {
    /// How settings of modules are kept.
    pub fn settings<'a>(&'a self, persist: Persist, observer: &'a dyn Observer) -> Settings<'a> {
        Settings {
            places: self.places,
            modutils: &self.modutils,
            demand: &self.demand,
            persist,
            release: &self.running,
            clock: self.clock,
            observer,
        }
    }

    /// Records how modules came in.
    pub fn recorder(&self) -> Recorder<'_> {
        Recorder { places: self.places, demand: &self.demand, clock: self.clock }
    }

    /// The commands of modutils.d around what is loaded and unloaded.
    pub fn scripts<'a>(&'a self, observer: &'a dyn Observer, effect: Effect) -> Scripts<'a> {
        Scripts::new((&self.modutils, self.places), self.clock, observer, &self.commands, effect)
    }

    /// Carries out plans.
    pub fn execution<'a>(
        &'a self,
        kernel: &'a mut dyn KernelOps,
        observer: &'a dyn Observer,
        scripts: &'a Scripts<'a>,
        terms: Terms,
    ) -> Execution<'a> {
        let scripts = Some(scripts);
        Execution { kernel, observer, commands: &self.commands, scripts, terms, pause: self.pause }
    }

    /// What the kernel shows of its modules.
    pub fn sysfs(&self) -> Sysfs {
        Sysfs::new(self.places.sys_module())
    }

    /// Whether the modules are those of the running kernel.
    pub fn is_running_release(&self) -> bool {
        self.release == self.running
    }
}
