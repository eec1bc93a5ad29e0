//! `modprobe` loads and unloads kernel modules together with what they depend on.
//!
//! [`run`] reads the command line into a [`request`]; names are looked up in the module database; a plan
//! says what is to be done, and `modload` carries it out. Dry run, `-D`, `-v` and the deed itself share that path.

pub mod caller;
mod cli;
mod database;
mod diagnose;
mod env;
mod hints;
mod insert;
mod kernel;
mod messages;
pub mod observer;
pub mod paths;
mod query;
pub mod remember;
mod remove;
pub mod request;
mod requester;
pub mod settings;
mod show;
mod tool;

pub use crate::cli::DEFINITION;
pub use crate::tool::run;
