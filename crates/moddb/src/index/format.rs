//! The layout of a binary index; every integer is 32 bits, big-endian.
//!
//! ```text
//! header   magic, version, reference to the root node
//! node     prefix    bytes up to a NUL                              if PREFIX
//!          first, last: one byte each; then last - first + 1
//!          references to children, 0 where there is none            if CHILDREN
//!          count, then count times: priority, bytes up to a NUL     if VALUES
//! ```
//!
//! A node reference holds the node's offset in its low 28 bits and says in its high bits which parts the
//! node has. A node's key is its parent's key, the character that led to it and its own prefix. Characters
//! are 7-bit. Values stand in ascending priority; of equal priorities the last one inserted stands first.
//!
//! Two orders of nodes are in use: kmod up to 30 writes children before their parent, kmod 34 a parent
//! before its children. Readers follow references, so either is read.

/// The first four bytes of an index.
pub const MAGIC: u32 = 0xB007_F457;

/// Format version written: major 2, minor 1. Readers compare [`major`] only.
pub const VERSION: u32 = 0x0002_0001;

/// Bytes before the first node.
pub const HEADER_LEN: usize = 12;

/// Flag of a node reference: the node begins with a prefix.
pub const PREFIX: u32 = 0x8000_0000;

/// Flag of a node reference: the node has values.
pub const VALUES: u32 = 0x4000_0000;

/// Flag of a node reference: the node has children.
pub const CHILDREN: u32 = 0x2000_0000;

/// The part of a node reference that is an offset from the start of the file.
pub const OFFSET_MASK: u32 = 0x0FFF_FFFF;

/// The longest key, in bytes. The format knows no bound; a name or alias has a few hundred.
pub const LONGEST_KEY: usize = 1 << 16;

/// The longest value, in bytes: the line of `modules.dep` of a module that needs tens of thousands of others.
pub const LONGEST_VALUE: usize = 16 << 20;

/// The most values of one key, and the most that one search finds: kmod numbers modules in 16 bits.
pub const MOST_VALUES: usize = 1 << 16;

/// The largest file that can be an index, in bytes: what a reference reaches, and a node that begins there.
pub const LARGEST_FILE: u64 = OFFSET_MASK as u64 + 1 + (32 << 20);

/// The part of a version that must be equal for a file to be readable.
#[must_use]
pub fn major(version: u32) -> u32 {
    version >> 16
}
