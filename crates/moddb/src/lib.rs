//! The module database of a kernel: reads it, answers from it, builds it.
//!
//! This crate never looks at the running kernel: no sysfs, no `/proc/modules`.

pub mod build;
pub mod cache;
pub mod config;
pub mod index;
