//! The module database of a kernel: reads it, answers from it, builds it.
//!
//! This crate never looks at the running kernel: no sysfs, no `/proc/modules`.

pub mod build;
pub mod builtin;
pub mod cache;
pub mod config;
pub mod depend;
pub mod index;
pub mod lookup;
pub mod paths;
mod tables;

pub use lookup::{FoundIn, ModuleDb, ModuleEntry};
pub use tables::TableProblem;
