//! What readers and writers of a cache share.

use modfile::ModuleInfo;

pub(super) const MAGIC: &[u8; 8] = b"moddbC\r\n";
pub(super) const VERSION: u32 = 6;

/// The version of the program. Another one may read more of a module, or something else.
const PROGRAM: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();
/// The longest version of a program.
const LONGEST_PROGRAM: usize = 16;
const _: () = assert!(PROGRAM.len() <= LONGEST_PROGRAM, "it has no room in the header");

/// The version as it stands in the header, filled up with zeros.
pub(super) fn program() -> [u8; LONGEST_PROGRAM] {
    let mut field = [0; LONGEST_PROGRAM];
    field.iter_mut().zip(PROGRAM).for_each(|(place, &byte)| *place = byte);
    field
}

/// What stands before the parts, in bytes.
pub(super) const HEADER: usize = MAGIC.len() + 4 + LONGEST_PROGRAM + 4 + 8;

/// What distinguishes one state of a file or directory from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the file system calls itself, as far as it does: its UUID, shortened.
    pub file_system: u64,
    /// The device that it is on; 0 where its number says nothing.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When its contents changed, in seconds since 1970 and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it changed, in seconds since 1970 and nanoseconds.
    pub changed: (i64, i64),
}

/// What is remembered of one module file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The file's path as it was opened.
    pub path: &'a [u8],
    /// How many bytes at its end the database records.
    pub recorded: usize,
    /// Its state when it was read.
    pub stamp: Stamp,
    /// Its last bytes if it is compressed, otherwise nothing.
    pub tail: &'a [u8],
    /// What it says.
    pub info: &'a ModuleInfo<'a>,
}

/// Which files are the database that the remembered modules give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// How many aliases the modules have.
    pub aliases: u64,
    /// How many symbols they provide.
    pub symbols: u64,
    /// What else the database depends on, for the caller to compare.
    pub circumstances: Vec<u8>,
    /// The states of all files that it was made of or consists of, in an order that the caller knows.
    pub files: Vec<Stamp>,
}
