//! What the command lines of the module tools share, in reading order: how a run is framed, how arguments are
//! read, how messages are weighed, worded and delivered, how output is written.
//!
//! Unlike the library crates this one reads the environment, prints, and decides the exit status. It does
//! not know how modules are loaded. A tool is a function from a [`Session`] to an [`Exit`], and its program is one line,
//! `modcli::main!("depmod", depmod::run);`, see [`main!`](crate::main).

pub mod common;
mod ended;
pub mod entry;
pub mod errno;
pub mod getopt;
pub mod json;
pub mod memory;
mod output;
mod reporter;
mod session;
mod severity;
pub mod sink;
pub mod startup;
pub mod table;
pub mod terminal;
pub mod words;

pub use ended::{Ended, Exit};
pub use output::Output;
pub use reporter::{Hints, Reporter};
pub use session::{Definition, Session};
pub use severity::{Severity, Threshold};
