//! Why a file of the kernel's symbols is not used.

use std::io;
use std::path::PathBuf;

/// A file of symbols that was named could not be read.
#[derive(Debug)]
pub struct CannotLoad {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: UnusableList,
}

/// Why a file of symbols that was named is not used.
#[derive(Debug)]
pub enum UnusableList {
    /// What the system said.
    Io(io::Error),
    /// It is a kernel image or another file that is not text.
    NotText,
    /// Not one of its lines is about an exported symbol, so that everything would be reported as unknown.
    NoExports,
}
