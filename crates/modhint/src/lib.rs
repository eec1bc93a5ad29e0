//! Why a module does not come or go: facts, pure causes, and who uses a module. The same for every tool that asks.
//!
//! [`evidence`] finds signs that a module is used, and [`users`] puts them together for people. Where the system is
//! looked at is passed in, nothing is printed, and what cannot be known is not claimed.

pub mod aliases;
pub mod evidence;
pub mod open;
pub mod system;
pub mod users;
