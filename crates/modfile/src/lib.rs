//! What a module file says: bytes in, facts out. This crate knows nothing of the system; it opens no path
//! but the one that it is given.

pub mod name;

pub use name::ModuleName;
