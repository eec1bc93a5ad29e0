//! `insmod` loads a module from a file: that file alone, whatever its name, without its dependencies and without any
//! configuration.
//!
//! [`run`] reads the command line into a `request`; `load` hands it to the kernel.

mod cli;
mod load;
mod messages;
mod request;

use modcli::{Exit, Session};
use modkernel::{Native, Sysfs};
use modload::{Environment, Process};
use modstate::{Places, SystemClock};

use crate::request::Request;

pub use crate::cli::DEFINITION;

/// Runs insmod with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    let parsed = session.parse(&DEFINITION)?;
    let places = Places::of_system();
    match Request::new(&parsed) {
        Ok(request) => {
            let mut kernel = Native::seen_through(Sysfs::new(places.sys_module()));
            let environment = Environment::new(std::env::var_os, &places.proc, Process(std::process::id));
            Ok(load::run(session, &request, &places, (&SystemClock, &environment), &mut kernel))
        }
        Err(problem) => {
            session.reporter.error(messages::problem(problem));
            Ok(Exit::Failure)
        }
    }
}
