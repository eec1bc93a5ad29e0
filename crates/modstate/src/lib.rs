//! What the module tools remember from one run to the next, in reading order: which load of a module is meant,
//! what was loaded because the kernel asked, what somebody wants, what was found idle; the configuration of all
//! this in modutils.d; settings that survive an unload.
//!
//! Paths and times are passed in, as [`Places`] and a [`Clock`]; only tools make those of the system. This crate
//! prints nothing, reads no environment, and knows no module database: it knows modules by name only. What it reads
//! back is data that may be damaged or hostile.

mod asking;
mod boot_time;
pub mod clock;
pub mod config;
mod directory;
pub mod elsewhere;
mod fields;
pub mod identity;
pub mod load_lists;
mod log_limit;
pub mod marks;
pub mod memory;
pub mod modules_conf;
mod pattern;
pub mod pin;
pub mod places;
pub mod record;
pub mod rules;
pub mod running;
pub mod scripts;
pub mod settings;

pub use asking::Unloading;
pub use boot_time::BootTime;
pub use clock::{Clock, PauseClock, SystemClock};
pub use directory::LONGEST_FILE;
pub use identity::{BootId, Identity};
pub use log_limit::{LogKind, MayLog};
pub use memory::{Memory, Written};
pub use places::Places;
pub use record::{Record, RecordedRole};
