//! Why an index cannot be used.

use std::io;

/// Why an index cannot be used, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The system refuses: the file is missing, or reading fails.
    #[error("cannot read the index: {0}")]
    Io(#[from] io::Error),
    /// The path leads to a directory, a fifo, a socket or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The file is shorter than its header.
    #[error("shorter than the header of an index: {0} bytes")]
    TooShort(u64),
    /// The first four bytes are others.
    #[error("magic check fail: {0:x} instead of b007f457")]
    BadMagic(u32),
    /// The major version is another.
    #[error("major version check fail: {0} instead of 2")]
    BadVersion(u32),
    /// A part of a node is outside of the file, or not what the format allows.
    #[error("damaged index: {what} at offset {offset}")]
    Damaged {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The file is larger than the references of an index can reach.
    #[error("{0} bytes, more than an index can have")]
    TooLong(u64),
    /// Matching all patterns of the index would take absurdly long, or the answer would be absurdly large.
    #[error("the index has more patterns or values for this than can be gone through")]
    TooMuchWork,
}

impl IndexError {
    /// Whether there simply is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}
