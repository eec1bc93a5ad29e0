//! What depmod remembers of a kernel's modules from run to run, in one file.
//!
//! This is the format: bytes in, entries out, and back. Whether a file is to be trusted and whether an entry
//! still describes what it is about is the caller's to decide; damaged bytes yield nothing, never something
//! else. All integers are little-endian.
//!
//! ```text
//! magic, version       8 bytes, 4 bytes
//! program              16 bytes: the version of the program that wrote it
//! checksum, length     4 bytes of CRC-32 over the rest, 8 bytes: how long the rest is
//! three parts          length (8), bytes
//!
//! modules, one after the other, in the order of the database:
//!   path               length (4), bytes
//!   length (4) of what follows
//!   recorded           how many bytes at the end of the path the database records (4)
//!   stamp              file system, device, inode, size, mtime, its nanoseconds, ctime, its nanoseconds (8 each)
//!   tail               length (4), bytes: the file's last bytes, if it is compressed
//!   what it says       as a ModuleInfo is stored
//!
//! directories, one after the other:
//!   path               length (4), bytes
//!   length (4) of what follows
//!   stamp
//!   names              a list of byte strings: a byte for the kind, the name
//!
//! database, or nothing:
//!   aliases, symbols   how many there are (8 each)
//!   circumstances      length (4), bytes
//!   stamps of files    one after the other
//! ```

mod format;
mod writer;

use std::collections::HashMap;

use foldhash::fast::RandomState;
use modfile::ModuleInfo;
use modfile::list::{ByteString, Items};

use self::format::{MAGIC, VERSION, program};

pub use self::format::{Database, Entry, Stamp};
pub use self::writer::Writer;

/// What is remembered of one module file, as it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered<'a> {
    /// Its place among all that are remembered.
    pub place: usize,
    /// How many bytes at the end of its path the database records.
    pub recorded: usize,
    /// The file's state when it was read.
    pub stamp: Stamp,
    /// Its last bytes if it is compressed, otherwise nothing.
    pub tail: &'a [u8],
    info: &'a [u8],
}

impl<'a> Remembered<'a> {
    /// What the file says; `None` if that is damaged.
    #[must_use]
    pub fn info(&self) -> Option<ModuleInfo<'a>> {
        ModuleInfo::stored(self.info)
    }

    /// Whether the file says exactly this.
    #[must_use]
    pub fn says(&self, info: &ModuleInfo<'_>) -> bool {
        self.info == info.as_bytes()
    }
}

/// What is remembered of one directory.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// Its state before it was listed.
    pub stamp: Stamp,
    /// What is in it: a byte for the kind, and the name.
    pub names: Items<'a, ByteString>,
}

/// A cache that was read: entries by path, taken apart when they are asked for.
#[derive(Debug, Default)]
pub struct Cache<'a> {
    modules: HashMap<&'a [u8], (usize, &'a [u8]), RandomState>,
    directories: HashMap<&'a [u8], &'a [u8], RandomState>,
    database: Option<Database>,
}

/// The bytes are not a cache of this version, or were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Something else, or a cache of another version.
    #[error("not a cache of this version")]
    Foreign,
    /// Cut off or changed.
    #[error("damaged")]
    Damaged,
}

impl<'a> Cache<'a> {
    /// Reads a cache.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Unusable> {
        let mut input = Input(bytes);
        if input.take(MAGIC.len()) != Some(MAGIC) || input.u32() != Some(VERSION) {
            return Err(Unusable::Foreign);
        }
        let program = program();
        if input.take(program.len()) != Some(&program) {
            return Err(Unusable::Foreign);
        }
        let (checksum, len) = input.u32().zip(input.u64()).ok_or(Unusable::Damaged)?;
        if input.0.len() as u64 != len || crc32fast::hash(input.0) != checksum {
            return Err(Unusable::Damaged);
        }
        Self::parts(input).ok_or(Unusable::Damaged)
    }

    fn parts(mut input: Input<'a>) -> Option<Self> {
        let [mut modules, mut directories, database] = [input.part()?, input.part()?, input.part()?];
        let mut cache = Self::default();
        while !modules.0.is_empty() {
            let path = modules.sized()?;
            let place = cache.modules.len();
            cache.modules.insert(path, (place, modules.sized()?));
        }
        while !directories.0.is_empty() {
            let path = directories.sized()?;
            cache.directories.insert(path, directories.sized()?);
        }
        if !database.0.is_empty() {
            cache.database = Some(database.database()?);
        }
        input.0.is_empty().then_some(cache)
    }

    /// What is remembered of the file at a path.
    #[must_use]
    pub fn entry(&self, path: &[u8]) -> Option<Remembered<'a>> {
        let &(place, entry) = self.modules.get(path)?;
        let mut input = Input(entry);
        let recorded = input.u32()? as usize;
        Some(Remembered { place, recorded, stamp: input.stamp()?, tail: input.sized()?, info: input.0 })
    }

    /// What is remembered of the directory at a path.
    #[must_use]
    pub fn listing(&self, path: &[u8]) -> Option<Listing<'a>> {
        let mut input = Input(self.directories.get(path)?);
        let stamp = input.stamp()?;
        let names = Items::of(input.0);
        names.clone().are_whole().then_some(Listing { stamp, names })
    }

    /// The database that these modules give, if that is remembered.
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// How many files are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

/// What is left to be taken apart.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    fn part(&mut self) -> Option<Self> {
        let len = usize::try_from(self.u64()?).ok()?;
        self.take(len).map(Self)
    }

    fn database(mut self) -> Option<Database> {
        let (aliases, symbols) = (self.u64()?, self.u64()?);
        let circumstances = self.sized()?.to_vec();
        let mut files = Vec::new();
        while !self.0.is_empty() {
            files.push(self.stamp()?);
        }
        Some(Database { aliases, symbols, circumstances, files })
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp {
            file_system: self.u64()?,
            device: self.u64()?,
            inode: self.u64()?,
            size: self.u64()?,
            modified: (self.i64()?, self.i64()?),
            changed: (self.i64()?, self.i64()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use modfile::Strings;
    use modfile::info::Lists;
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp =
        Stamp { file_system: 9, device: 1, inode: 2, size: 3, modified: (-4, 5), changed: (6, 7) };

    fn info() -> ModuleInfo<'static> {
        let mut lists = Lists::default();
        lists.aliases.push(b"pci:v*");
        ModuleInfo::from(&lists)
    }

    fn encoded() -> Vec<u8> {
        let info = info();
        let mut writer = Writer::default();
        for path in [b"/a.ko".as_slice(), b"/b.ko.xz"] {
            writer.module(&Entry { path, recorded: 4, stamp: STAMP, tail: b"tail", info: &info });
        }
        writer.directory(b"/d", STAMP, &names());
        writer.database(&database());
        writer.finish()
    }

    fn names() -> Strings {
        let mut names = Strings::default();
        names.push(b"\x08a.ko");
        names.push(b"\x04d");
        names
    }

    fn database() -> Database {
        Database { aliases: 1, symbols: 2, circumstances: b"any".to_vec(), files: vec![STAMP; 2] }
    }

    #[test]
    fn entries_come_back_as_they_were_stored() {
        let bytes = encoded();
        let cache = Cache::decode(&bytes).unwrap();
        assert_eq!(cache.len(), 2);
        let remembered = cache.entry(b"/b.ko.xz").unwrap();
        assert_eq!((remembered.stamp, remembered.tail), (STAMP, b"tail".as_slice()));
        assert_eq!((remembered.place, remembered.recorded), (1, 4));
        assert_eq!(remembered.info(), Some(info()));
        assert!(remembered.says(&info()) && !remembered.says(&ModuleInfo::default()));
        assert_eq!(cache.entry(b"/c.ko"), None);
        let listing = cache.listing(b"/d").unwrap();
        assert_eq!(listing.stamp, STAMP);
        assert!(listing.names.eq(names().iter()));
        assert!(cache.listing(b"/").is_none());
        assert_eq!(cache.database(), Some(&database()));
        let empty = Writer::default().finish();
        assert_eq!(Cache::decode(&empty).unwrap().database(), None);
    }

    #[test]
    fn a_cache_cut_off_anywhere_or_changed_anywhere_is_none() {
        let bytes = encoded();
        for len in 0..bytes.len() {
            assert!(Cache::decode(&bytes[..len]).is_err(), "{len}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(Cache::decode(&changed).is_err(), "{place}");
        }
        assert!(Cache::decode(&[bytes.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn what_another_version_of_the_program_read_is_not_believed() {
        let mut bytes = encoded();
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let place = bytes.windows(version.len()).position(|window| window == version).unwrap();
        bytes[place + version.len()] = b'1';
        assert_eq!(Cache::decode(&bytes).map(|cache| cache.len()), Err(Unusable::Foreign));
    }

    proptest! {
        #[test]
        fn any_bytes_under_a_right_checksum_give_entries_or_nothing(
            parts in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..200)),
        ) {
            let mut body = Vec::new();
            for part in parts {
                body.extend((part.len() as u64).to_le_bytes());
                body.extend(part);
            }
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(program());
            bytes.extend(crc32fast::hash(&body).to_le_bytes());
            bytes.extend((body.len() as u64).to_le_bytes());
            bytes.extend(&body);
            if let Ok(cache) = Cache::decode(&bytes) {
                for path in cache.modules.keys() {
                    let _ = cache.entry(path).and_then(|entry| entry.info());
                }
                for path in cache.directories.keys() {
                    let _ = cache.listing(path).map(|listing| listing.names.count());
                }
            }
        }
    }
}
