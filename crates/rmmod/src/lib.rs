//! `rmmod` unloads modules: those that are named, or with `-a` those that the kernel loaded on demand and that
//! nobody uses any more.
//!
//! [`run`] reads the command line into a `request`. `remove` unloads what is named; `autoclean` finds out
//! what may go, where `modhint::evidence` looks and `autoclean::policy` decides.

mod autoclean;
mod cli;
mod messages;
mod places;
mod remove;
mod request;
mod settings;

use modcli::{Exit, Session};
use modkernel::{KernelOps, Rehearsal};

use crate::places::Places;
use crate::request::{Mode, Request};

pub use crate::cli::DEFINITION;

/// Runs rmmod with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    let parsed = session.parse(&DEFINITION)?;
    let request = match Request::new(&parsed) {
        Ok(request) => request,
        Err(problem) => {
            session.reporter.error(messages::problem(problem));
            return Ok(Exit::Failure);
        }
    };
    let places = Places::of_system();
    let system = system(&places);
    let mode = match &request {
        Request::Remove(remove) => remove.mode,
        Request::Autoclean(autoclean) => autoclean.mode,
    };
    let mut kernel: Box<dyn KernelOps> = match mode {
        Mode::Real => Box::new(system),
        Mode::Dry => Box::new(Rehearsal::new(system)),
    };
    match request {
        Request::Remove(remove) => Ok(remove::run(session, &places, &remove, &mut *kernel)),
        Request::Autoclean(autoclean) => Ok(autoclean::run(session, &places, &autoclean, &mut *kernel)),
    }
}

/// The running kernel.
#[cfg(not(feature = "libkmod"))]
fn system(places: &Places) -> modkernel::Native {
    modkernel::Native::seen_through(modkernel::Sysfs::new(places.sys_module()))
}

/// The running kernel through libkmod, which knows by itself where sysfs is.
#[cfg(feature = "libkmod")]
fn system(_: &Places) -> modkernel_libkmod::LibKmod {
    modkernel_libkmod::LibKmod::of_system()
}
