//! `modinfo` shows what modules say of themselves: those that are named, by file, name or alias.
//!
//! [`run`] reads the command line into a `request`. `find` takes an operand to its modules, `facts` reads what they
//! say, `text`, `json` and `params` show it.

mod cli;
mod facts;
mod find;
mod json;
mod messages;
mod params;
mod places;
mod request;
mod text;
mod values;

use modcli::{Exit, Reporter, Session, errno, words};
use moddb::ModuleDb;
use moddb::config::Config;
use modfile::ReadError;
use modfile::parameters::described;

use crate::facts::{Facts, Reader, Unreadable, Wanted};
use crate::find::Found;
use crate::places::System;
use crate::request::{Request, Show};
use crate::values::Values;

pub use crate::cli::DEFINITION;

/// Runs modinfo with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    let parsed = session.parse(&DEFINITION)?;
    let system = System::of_system();
    match Request::new(&parsed, &system) {
        Ok(request) => run_in(session, &request, &system),
        Err(problem) => {
            session.reporter.error(messages::problem(&problem));
            Ok(Exit::Failure)
        }
    }
}

/// Shows every module that is asked for; goes on after one that is not found or cannot be read.
fn run_in(session: &Session, request: &Request, system: &System) -> anyhow::Result<Exit> {
    let db = ModuleDb::new(request.directory.clone(), Config::default());
    let mut reader = Reader::new(&request.directory);
    // Of another kernel's modules the running system says nothing.
    let is_running = request.directory == system.running();
    let values = is_running.then(|| Values::new(system));
    let mut answers = Vec::new();
    let mut failed = false;
    for operand in &request.operands {
        let found = find::find(operand, request.operand, &db, system);
        for problem in db.take_problems() {
            let (severity, text) = words::table(&problem);
            session.reporter.message(severity, text);
        }
        let found = found.unwrap_or_else(|what| {
            session.reporter.error(messages::not_found(operand, what));
            failed = true;
            Vec::new()
        });
        for module in &found {
            if let Show::All(separator) = request.show {
                session.output.print(text::heading(module, separator))?;
            }
            let facts = match read(&mut reader, module, &request.show) {
                Ok(facts) => facts,
                Err(error) => {
                    unreadable(&session.reporter, module, &error);
                    failed = true;
                    continue;
                }
            };
            complain(&session.reporter, &facts, &request.show);
            match &request.show {
                Show::All(separator) => session.output.print(text::all(&facts, *separator))?,
                Show::Field(field, separator) => {
                    session.output.print(text::field(module, &facts, field, *separator))?;
                }
                Show::Json => answers.push((module.clone(), json::module(module, &facts, values.as_ref()))),
                Show::Parameters => {
                    answers.push((module.clone(), params::table(module, &facts, values.as_ref())));
                }
            }
        }
    }
    for problem in values.iter().flat_map(Values::problems) {
        let (severity, text) = words::config(problem);
        session.reporter.message(severity, text);
    }
    session.output.print(together(&request.show, answers))?;
    Ok(Exit::failed_if(failed))
}

/// The answers that are not shown one by one.
fn together(show: &Show, answers: Vec<(Found, String)>) -> String {
    if *show == Show::Json {
        return modcli::json::lines(&answers.into_iter().map(|(_, object)| object).collect::<Vec<_>>());
    }
    // A single table needs no name above it.
    let is_single = answers.len() == 1;
    let tables = answers.into_iter().map(|(module, table)| {
        if is_single { table } else { format!("{}:\n{table}", modcli::table::plain(module.name.as_bytes())) }
    });
    tables.collect()
}

/// Says which strings describe no parameter, where parameters are shown.
fn complain(reporter: &Reporter, facts: &Facts, show: &Show) {
    if matches!(show, Show::Field(field, _) if field != b"parm") {
        return;
    }
    for (key, value) in described(&facts.strings).nameless {
        reporter.error(messages::nameless_parameter(key, value));
    }
}

fn read(reader: &mut Reader<'_>, module: &Found, show: &Show) -> Result<Facts, Unreadable> {
    let wanted = match show {
        Show::All(_) => Some(Wanted::Signature),
        Show::Field(field, _) => text::wanted(field),
        Show::Json => Some(Wanted::All),
        Show::Parameters => Some(Wanted::Strings),
    };
    wanted.map_or_else(|| Ok(Facts::default()), |wanted| reader.read(module, wanted))
}

fn unreadable(reporter: &Reporter, module: &Found, error: &Unreadable) {
    match error {
        Unreadable::File(ReadError::Decompress(error)) => reporter.error(errno::chain(error)),
        Unreadable::BuiltinDamaged(error) => reporter.error(errno::chain(error)),
        _ => {}
    }
    reporter.error(messages::unreadable(&module.name, error.errno()));
    if let (Some(path), Some(reason)) = (&module.path, error.reason()) {
        reporter.hint(messages::reason(path, &reason));
    }
}
