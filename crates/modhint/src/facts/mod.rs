//! Gathers what the causes look at: the module's file, and what the system says of itself.

mod damage;
mod file;
mod reference;
mod system;

pub use file::{ChangedSymbol, Duplicate, FileFacts, MissingSymbol, Refused, Signed};
pub use reference::Reference;
pub use system::{Privilege, SystemFacts, in_container, kernel_command_line};
