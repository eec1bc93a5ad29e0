//! `depmod` builds the module database of a kernel.
//!
//! [`run`] reads the command line into a `request`; then each phase hands its result to the next: `scan`
//! finds the module files, `parallel` threads read them, `moddb` builds the database, `publish` puts it in place.

#![allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "whether numbers of a file have a sign depends on how the system is called: through the C library or not"
)]

mod cache;
mod cli;
mod config;
mod directories;
mod freshness;
mod gather;
mod input;
mod inside;
mod kernel_symbols;
mod listings;
mod made;
mod making;
mod messages;
mod moment;
mod named;
mod output;
mod parallel;
mod paths;
mod pipeline;
mod progress;
mod publish;
mod remove;
mod request;
mod room;
mod running;
mod scan;
mod source;
mod stamps;
mod summary;
mod symbol_list;
mod tree;
mod walk;

use std::ffi::OsString;
use std::time::SystemTime;

use modcli::{Ended, Exit, Session};

use crate::request::{BadRequest, Destination, Request, Selection, Surroundings};

pub use crate::cli::DEFINITION;

/// Runs depmod with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    modcli::memory::expect_much();
    run_at(session, SystemTime::now())
}

/// Runs depmod as if it were that time. What has just changed is not remembered for the next run.
///
/// # Errors
/// As [`run`].
pub fn run_at(session: &Session, now: SystemTime) -> anyhow::Result<Exit> {
    let parsed = session.parse(&DEFINITION)?;
    let reporter = &session.reporter;
    for event in &parsed.events {
        if cli::IGNORED.contains(&event.id.as_str()) {
            reporter.warning(messages::ignored_option(event.id.as_str()));
        }
    }
    let uname = rustix::system::uname();
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if escapes_fakechroot(cfg!(target_env = "musl"), variable("FAKECHROOT").is_some()) {
        reporter.fatal(messages::FAKECHROOT)?;
        return Ok(Exit::Failure);
    }
    let seconds = |value: OsString| value.to_str().and_then(|text| text.parse().ok());
    let surroundings = Surroundings {
        running_release: os_string(uname.release().to_bytes()),
        current_dir: std::env::current_dir().unwrap_or_default(),
        is_live: paths::is_live(variable("container").is_some()),
        source_date_epoch: variable("SOURCE_DATE_EPOCH").and_then(seconds),
    };
    let request = match Request::new(&parsed, &surroundings) {
        Ok(request) => request,
        Err(problem) => return Ok(refuse(session, &problem)?),
    };
    if request.destination == Destination::Removal {
        return remove::run(session, request);
    }
    if request.selection == Selection::IfNewer && request.destination == Destination::Stdout {
        return Ok(Exit::Success);
    }
    let ahead = now.duration_since(SystemTime::now()).unwrap_or_default();
    let was_said = !parsed.operands.is_empty();
    pipeline::run(session, request, &moment::Moment { began: now, ahead, surroundings, was_said })
}

/// Whether a run would work on the real root although fakechroot was to keep it inside of another one: fakechroot
/// stands before the C library's functions, which a static program has inside of itself.
fn escapes_fakechroot(is_static: bool, is_under_fakechroot: bool) -> bool {
    is_static && is_under_fakechroot
}

fn refuse(session: &Session, problem: &BadRequest) -> Result<Exit, Ended> {
    let (severity, text) = messages::problem(problem);
    session.reporter.message(severity, text);
    Err(Ended(Exit::Failure))
}

fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::escapes_fakechroot;

    #[test]
    fn only_a_static_program_under_fakechroot_would_work_on_the_real_root() {
        assert!(escapes_fakechroot(true, true));
        assert!(!escapes_fakechroot(true, false), "a static program without fakechroot");
        assert!(
            !escapes_fakechroot(false, true),
            "fakechroot reaches a program that is linked to the C library"
        );
        assert!(!escapes_fakechroot(false, false));
    }
}
