//! Which kernel stands behind a plan: the running one, whose modules keep their settings, or one that is looked at
//! and never changed.

use std::path::Path;

use modcli::{Ended, Exit};
#[cfg(not(feature = "libkmod"))]
use modkernel::Native as System;
use modkernel::{KernelOps, Rehearsal};
#[cfg(feature = "libkmod")]
use modkernel_libkmod::LibKmod as System;
use modload::{Effect, Execution, Presence};

use crate::observer::Teller;
use crate::request::{AfterFailure, Mode, Persist};
use crate::settings::{Keeping, Settings};
use crate::tool::Run;

/// On which terms plans are carried out.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub mode: Mode,
    pub after_failure: AfterFailure,
    pub first_time: bool,
    pub persist: Persist,
}

impl Run<'_> {
    /// Has plans carried out. Settings are put back when all of it is done, or as much as could be.
    ///
    /// # Errors
    /// Those of the deed: a FATAL message was told.
    pub fn carry_out(
        &self,
        terms: Terms,
        deed: &mut dyn FnMut(&mut Execution<'_>) -> Result<Exit, Ended>,
    ) -> Result<Exit, Ended> {
        let system = System::of_system();
        let observer =
            Teller { session: self.session, shows: terms.mode.shows(), after_failure: terms.after_failure };
        if !terms.mode.is_real() {
            return deed(&mut self.execution(&mut Rehearsal::new(system), &observer, terms));
        }
        let sys_module = system.sysfs().modules().to_owned();
        let settings = self.settings(&sys_module, terms.persist);
        let mut kernel = Keeping::new(system, &settings);
        let done = deed(&mut self.execution(&mut kernel, &observer, terms));
        kernel.restore();
        done
    }

    fn execution<'a>(
        &'a self,
        kernel: &'a mut dyn KernelOps,
        observer: &'a Teller<'a>,
        terms: Terms,
    ) -> Execution<'a> {
        Execution {
            kernel,
            observer,
            commands: &self.commands,
            terms: modload::Terms {
                effect: if terms.mode.is_real() { Effect::Real } else { Effect::Rehearsed },
                presence: if terms.mode.asks_kernel() { Presence::Counts } else { Presence::Ignored },
                first_time: terms.first_time,
            },
            pause: &std::thread::sleep,
        }
    }

    /// The settings of the modules that have their entries in this directory.
    pub fn settings<'a>(&'a self, sys_module: &'a Path, persist: Persist) -> Settings<'a> {
        Settings {
            places: &self.places,
            sys_module,
            modutils: &self.modutils,
            origin: &self.origin,
            persist,
            reporter: &self.session.reporter,
        }
    }
}
