//! `modprobe` loads and unloads kernel modules together with what they depend on.
//!
//! [`run()`] reads the command line into a [`request`]; names are looked up in the module database; a plan
//! says what is to be done, and `modload` carries it out. Dry run, `-D`, `-v` and the deed itself share that path.
//! [`run_in`] does the same on a system of values: kernel, places and time are passed in.
//!
//! Modules know each other in one direction: `run`, then `loading`, `unloading`, `query` and `settings`, then `find`,
//! `hints` and `report`, then `context`.

pub mod caller;
mod cli;
mod context;
mod database;
mod env;
mod find;
mod hints;
mod loading;
mod messages;
mod observer;
mod query;
mod report;
pub mod request;
mod requester;
mod run;
mod settings;
mod show;
mod unloading;

pub use crate::cli::DEFINITION;
pub use crate::context::System;
pub use crate::run::{run, run_in};
