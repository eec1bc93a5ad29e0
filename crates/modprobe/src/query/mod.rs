//! What modprobe prints without touching the kernel.

pub(crate) mod config;
pub(crate) mod explain;
pub(crate) mod json;
pub(crate) mod list;
pub(crate) mod symbols;
