//! What the module tools remember from one run to the next, in reading order: which load of a module is meant,
//! what was loaded because the kernel asked, what somebody wants, what was found idle; the configuration of all
//! this in modutils.d; settings that survive an unload.
//!
//! Paths and times are passed in. This crate prints nothing, reads no environment and no clock, and knows no
//! module database: of modules it knows names. What it reads back is data that may be damaged or hostile.

pub mod config;
mod fields;
pub mod identity;
pub mod load_lists;
pub mod marks;
pub mod memory;
pub mod pin;
pub mod record;
pub mod settings;
mod small_file;

pub use identity::{BootId, BootTime, Identity};
pub use memory::{Memory, Written};
pub use record::{Record, Role};
pub use small_file::LONGEST_FILE;
