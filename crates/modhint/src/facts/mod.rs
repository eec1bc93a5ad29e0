//! Gathers the facts for the causes: the module's file, and the state of the system.

mod damage;
mod file;
mod reference;
mod system;

pub use file::{ChangedSymbol, Duplicate, FileFacts, MissingSymbol, Refused, Signed};
pub use reference::Reference;
pub use system::{Privilege, SystemFacts, in_container, kernel_command_line};
