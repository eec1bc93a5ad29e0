//! The binary index: `modules.dep.bin`, `modules.alias.bin` and their like.
//!
//! One Patricia trie per file, whose keys are module names, aliases or symbols. The format, its reader, its
//! writer and its text dump stand side by side here and share [`mod@format`].

pub mod dump;
mod entries;
mod error;
pub mod format;
mod node;
pub mod reader;
mod source;
pub mod writer;

pub use error::IndexError;
pub use reader::{Entry, Index, Value};
pub use source::{FileSource, Source};
