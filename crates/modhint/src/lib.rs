//! Why a module does not come or go: facts, pure causes, and who uses a module. The same for every tool that asks.
//!
//! [`causes`] are pure functions from [`facts`] to a hint or to nothing. [`evidence`] finds signs that a module is
//! used, and [`users`] puts them together for people. The places to look at are passed in, nothing is printed, and what
//! cannot be known is not claimed.

pub mod aliases;
pub mod causes;
pub mod declared;
pub mod evidence;
pub mod facts;
pub mod nearest;
pub mod open;
pub mod users;
