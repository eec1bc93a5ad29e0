//! `lsmod` shows the modules that are loaded: as the table that scripts read, as JSON, as a tree of which uses which,
//! or with the reason why each is there.
//!
//! [`run`] reads the command line into a `request`; `modules` reads the kernel's list and its numbers.

mod cli;
mod json;
mod messages;
mod modules;
mod request;
mod table;
mod tree;
mod users;
mod why;

use modcli::getopt::Parsed;
use modcli::{Exit, Session};
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modstate::Places;
use modstate::clock::SystemClock;

use crate::modules::{Module, Reader};
use crate::request::{Form, Request};
use crate::users::Users;
use crate::why::Remembered;

pub use crate::cli::DEFINITION;

/// Runs lsmod with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    run_parsed(session, &session.parse(&DEFINITION)?)
}

/// Runs lsmod with a command line that was taken apart already: `kmod list` has one of its own.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run_parsed(session: &Session, parsed: &Parsed) -> anyhow::Result<Exit> {
    match Request::new(parsed) {
        Ok(request) => run_in(session, &request, &Places::of_system()),
        Err(problem) => {
            session.reporter.error(messages::problem(problem));
            Ok(Exit::Failure)
        }
    }
}

fn run_in(session: &Session, request: &Request, places: &Places) -> anyhow::Result<Exit> {
    let list_path = places.proc.join("modules");
    let list = match modules::list(&list_path) {
        Ok(list) => list,
        Err(error) => {
            session.reporter.error(messages::cannot_open_list(&list_path, &error));
            session.reporter.error(messages::cannot_get_list(&error));
            return Ok(Exit::Failure);
        }
    };
    let complain = |text: Vec<u8>| session.reporter.error(text);
    let reader = Reader::new(&list, &list_path, places.sys_module(), &complain);
    if request.form == Form::Table {
        session.output.print(table::HEADING)?;
        for module in reader.modules() {
            session.output.print(table::line(&module))?;
        }
        return Ok(Exit::Success);
    }
    let all: Vec<Module> = reader.modules().collect();
    let mut failed = false;
    for name in request.names.iter().filter(|name| all.iter().all(|module| module.name != **name)) {
        session.reporter.error(messages::not_loaded(name));
        failed = true;
    }
    session.output.print(answer(session, request, &all, &list, places))?;
    Ok(Exit::failed_if(failed))
}

fn answer(session: &Session, request: &Request, all: &[Module], list: &[u8], places: &Places) -> String {
    let wanted = || {
        let is_wanted = |module: &&Module| request.names.is_empty() || request.names.contains(&module.name);
        all.iter().filter(is_wanted).cloned().collect::<Vec<_>>()
    };
    let release = rustix::system::uname().release().to_bytes().to_vec();
    let release: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(release);
    let db = ModuleDb::new(ModuleDir::new("".as_ref(), &release), Config::default());
    let users = Users::new(places, &db);
    match request.form {
        Form::Table | Form::Json => json::modules(&wanted(), list),
        Form::Tree => {
            let users = |module: &Module| users::in_words(module, &users.signs(module));
            tree::text(all, &request.names, &users)
        }
        Form::Why => {
            let complain = |reason: String| {
                session.reporter.warning(messages::cannot_read_records(&places.run, &reason));
            };
            let remembered = Remembered::read(places, &complain);
            why::text(&wanted(), &remembered, places, &SystemClock, &|module| users.signs(module))
        }
    }
}
