//! `rmmod` unloads modules: those that are named, or with `-a` those that the kernel loaded on demand and that
//! nobody uses any more.
//!
//! [`run`] reads the command line into a `request`. `remove` unloads what is named; `autoclean` finds out
//! what may go, where `modhint::evidence` looks and `autoclean::policy` decides.

mod autoclean;
mod cli;
mod messages;
mod observer;
mod places;
mod remove;
mod request;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use modcli::{Exit, Session};
use modkernel::KernelOps;
use modload::{CommandEnvironment, Demand, Environment, Modutils, Process, Scripts, Settings, Stage};
use modstate::{Clock, SystemClock};

use crate::observer::Teller;
use crate::places::Layout;
use crate::request::Request;

pub use crate::cli::DEFINITION;

/// Runs rmmod with the arguments of a session, on this system.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    let parsed = session.parse(&DEFINITION)?;
    let request = match Request::new(&parsed) {
        Ok(request) => request,
        Err(problem) => {
            session.reporter.error(messages::problem(problem));
            return Ok(Exit::Failure);
        }
    };
    let release = OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec());
    let layout = Layout::of_system(&release);
    let system = System {
        kernel: kernel(&layout),
        layout: &layout,
        clock: &SystemClock,
        environment: Environment::new(std::env::var_os, &layout.places.proc, Process(std::process::id)),
        release: &release,
    };
    Ok(run_in(session, &request, system))
}

/// The running kernel.
#[cfg(not(feature = "libkmod"))]
fn kernel(layout: &Layout) -> modkernel::Native {
    modkernel::Native::seen_through(modkernel::Sysfs::new(layout.sys_module()))
}

/// The running kernel through libkmod, which knows by itself where sysfs is.
#[cfg(feature = "libkmod")]
fn kernel(_: &Layout) -> modkernel_libkmod::LibKmod {
    modkernel_libkmod::LibKmod::of_system()
}

/// The system in which rmmod runs, as values.
pub(crate) struct System<'a, K> {
    pub kernel: K,
    pub layout: &'a Layout,
    pub clock: &'a dyn Clock,
    pub environment: Environment,
    /// The release of the running kernel.
    pub release: &'a std::ffi::OsStr,
}

/// Does what is requested, on a system of values.
pub(crate) fn run_in<K: KernelOps>(session: &Session, request: &Request, system: System<'_, K>) -> Exit {
    let System { kernel, layout, clock, environment, release } = system;
    let teller = Teller { session, shows: request.shows() };
    let modutils = Modutils::new(&layout.places);
    let settings = Settings {
        places: &layout.places,
        modutils: &modutils,
        demand: &Demand::Person,
        persist: request.persist(),
        release,
        clock,
        observer: &teller,
    };
    let mut kernel = Stage::new(request.effect(), kernel, &settings);
    let handed_on = request.handed_on().iter().map(|option| (*option, None));
    let commands = CommandEnvironment::new(&environment, handed_on, &Demand::Person);
    let scripts = Scripts::new((&modutils, &layout.places), clock, &teller, &commands, request.effect());
    let exit = match request {
        Request::Remove(remove) => remove::run(session, layout, remove, &scripts, &mut kernel),
        Request::Autoclean(request) => {
            let hands = autoclean::Hands {
                session,
                layout,
                clock,
                modutils: &modutils,
                commands: &commands,
                scripts: &scripts,
                observer: &teller,
            };
            autoclean::run(&hands, request, &mut kernel)
        }
    };
    kernel.finish();
    exit.or_failure_if(scripts.have_failed())
}
