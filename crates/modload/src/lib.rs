//! How modules are loaded and unloaded: what a module name leads to is worked out as a plan, which is data, and one
//! executor carries plans out on a [`KernelOps`](modkernel::KernelOps). Everything that loads or unloads is built on
//! this crate: modprobe, rmmod and its autoclean, insmod, and the C library.
//!
//! In reading order: [`plan`] says what is to be done, without asking any kernel; [`execute`] does it, step by step;
//! [`command`] runs install and remove commands in the [`environment`] that they are promised, [`scripts`] those that
//! modutils.d puts around a change. A [`Stage`] is the
//! kernel on which that happens: a rehearsal of it, or the running one with a [`Guard`] around it, which keeps
//! [`settings`] of modules as [`modutils`] says. A [`Recorder`] remembers how modules came in.
//!
//! What happens on the way goes to an [`Observer`], as data. The tool decides what is said about it, and in which
//! words; a library for C may hand it to a callback.
//!
//! This crate must not know: words for people, streams, the environment of the process, its arguments, the clock.
//! Kernel, places and times are values that are passed in. It opens no socket and ends no process.

pub mod command;
pub mod demand;
mod effect;
pub mod environment;
pub mod execute;
pub mod forbid;
pub mod lineage;
pub mod modutils;
pub mod observer;
pub mod paths;
pub mod plan;
pub mod record;
mod script_errors;
pub mod scripts;
pub mod settings;
mod shell;
pub mod stage;

pub use demand::Demand;
pub use environment::{CommandEnvironment, Environment, Process};
pub use execute::{Cause, Effect, Execution, LoadFailure, Loaded, Manner, Outcome, Presence, Stopped, Terms};
pub use modutils::Modutils;
pub use observer::{Distrust, Event, ModutilsProblem, Observer, Refusal, Silent};
pub use record::Recorder;
pub use script_errors::{NotRun, ScriptError};
pub use scripts::Scripts;
pub use settings::{Guard, Persist, Settings};
pub use stage::Stage;
