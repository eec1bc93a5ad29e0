//! What a module file says: bytes in, facts out. This crate knows nothing of the system; it opens no path
//! but the one that it is given.

pub mod compression;
pub mod elf;
pub mod file;
pub mod info;
pub mod modinfo;
pub mod name;
pub mod signature;
pub mod strings;
pub mod symbols;

pub use file::ReadError;
pub use info::ModuleInfo;
pub use name::ModuleName;
pub use strings::Strings;
