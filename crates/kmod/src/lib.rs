//! `kmod` is the program that holds all tools of the suite, and under its own name offers commands that have no other.
//!
//! [`run`] finds the command; each has a module of its own.

mod cli;
mod devices;
mod graph;
mod paths;
mod static_nodes;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use modcli::getopt::Order;
use modcli::{Definition, Exit, Session};

pub use crate::cli::DEFINITION;

/// A command: its name and what runs it, with the arguments from its name on.
type Command = (&'static str, fn(&Session, &[OsString]) -> anyhow::Result<Exit>);

/// All commands but `help`.
const COMMANDS: [Command; 4] =
    [("list", list), ("static-nodes", static_nodes::run), ("devices", devices::run), ("graph", graph::run)];

/// What each command that has options says about its command line.
pub const COMMAND_DEFINITIONS: [(&str, Definition); 4] = [
    ("list", lsmod::DEFINITION),
    ("static-nodes", static_nodes::cli::DEFINITION),
    ("devices", devices::cli::DEFINITION),
    ("graph", graph::cli::DEFINITION),
];

/// Runs kmod with the arguments of a session.
///
/// # Errors
/// Whatever ends the run early; `modcli` words it.
pub fn run(session: &Session) -> anyhow::Result<Exit> {
    modcli::entry::heed_time_limit();
    let parsed = session.parse_in_order(&DEFINITION, &session.argv, Order::Posix)?;
    let Some(name) = parsed.operands.first() else {
        return Ok(wrong(session, b"missing command"));
    };
    if name == "help" {
        show_help(session);
        return Ok(Exit::Success);
    }
    match COMMANDS.iter().find(|(command, _)| name == command) {
        Some((_, run)) => run(session, &arguments(session, &parsed.operands)),
        None => Ok(wrong(session, &[b"invalid command '", name.as_bytes(), b"'"].concat())),
    }
}

/// The arguments of a command, its name first. compat: behind `--` that stands in the place of the name, where
/// sentences about wrong options begin with it (case `kmod/list-after-dashes`).
fn arguments(session: &Session, operands: &[OsString]) -> Vec<OsString> {
    let before = session.argv.len().checked_sub(operands.len() + 1).and_then(|at| session.argv.get(at));
    let mut arguments = operands.to_vec();
    if let (Some(dashes), Some(first)) = (before.filter(|word| *word == "--"), arguments.first_mut()) {
        first.clone_from(dashes);
    }
    arguments
}

fn wrong(session: &Session, sentence: &[u8]) -> Exit {
    session.reporter.sink().say_plainly(sentence);
    show_help(session);
    Exit::Failure
}

fn show_help(session: &Session) {
    session.output.show((DEFINITION.command)().render_help().to_string());
}

/// `kmod list`: what lsmod shows.
fn list(session: &Session, arguments: &[OsString]) -> anyhow::Result<Exit> {
    lsmod::run_parsed(session, &session.parse_in_order(&lsmod::DEFINITION, arguments, Order::Posix)?)
}
