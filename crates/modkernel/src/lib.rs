//! The running kernel, as far as its modules go: one small trait and what stands behind it.
//!
//! [`KernelOps`] is how the tools see and change the kernel. [`Native`] is the kernel this program runs on,
//! [`Rehearsal`] answers as if what was asked for had been done and does nothing, [`Recording`] is a kernel made of
//! data for tests. The facts that sysfs offers beyond the trait are in [`sysfs`]; [`proc_modules`] lists what is
//! loaded.
//!
//! This crate knows no module database and no configuration; it prints nothing and reads no environment.

mod native;
mod ops;
pub mod proc_modules;
mod recording;
mod rehearsal;
pub mod sysfs;

pub use native::{Native, script};
pub use ops::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, RemoveFlags};
pub use recording::{KernelEvent, Recording};
pub use rehearsal::Rehearsal;
pub use sysfs::Sysfs;
