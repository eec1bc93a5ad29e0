//! What depmod remembers of module files from run to run, in one file.
//!
//! This is the format: bytes in, entries out, and back. Whether a file is to be trusted and whether an entry
//! still describes its module is the caller's to decide; damaged bytes yield nothing, never something
//! else. All integers are little-endian.
//!
//! ```text
//! magic, version       8 bytes, 4 bytes
//! checksum, length     4 bytes of CRC-32 over the rest, 8 bytes: how long the rest is
//! entries              one after the other:
//!   path               length (4), bytes
//!   length (4) of what follows
//!   stamp              file system, device, inode, size, mtime, its nanoseconds, ctime, its nanoseconds (8 each)
//!   tail               length (4), bytes: the file's last bytes, if it is compressed
//!   what it says       as a ModuleInfo is stored
//! ```

use std::collections::HashMap;

use foldhash::fast::RandomState;
use modfile::ModuleInfo;

const MAGIC: &[u8; 8] = b"moddbC\r\n";
const VERSION: u32 = 3;

/// What distinguishes one state of a file from another.
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
    /// Its state when it was read.
    pub stamp: Stamp,
    /// Its last bytes if it is compressed, otherwise nothing.
    pub tail: &'a [u8],
    /// What it says.
    pub info: &'a ModuleInfo<'a>,
}

/// What is remembered of one module file, as it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered<'a> {
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
}

/// A cache that was read: entries by path, taken apart when they are asked for.
#[derive(Debug, Default)]
pub struct Cache<'a> {
    entries: HashMap<&'a [u8], &'a [u8], RandomState>,
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
        let (checksum, len) = input.u32().zip(input.u64()).ok_or(Unusable::Damaged)?;
        if input.0.len() as u64 != len || crc32fast::hash(input.0) != checksum {
            return Err(Unusable::Damaged);
        }
        let mut entries = HashMap::default();
        while !input.0.is_empty() {
            let path = input.sized().ok_or(Unusable::Damaged)?;
            let entry = input.sized().ok_or(Unusable::Damaged)?;
            entries.insert(path, entry);
        }
        Ok(Self { entries })
    }

    /// What is remembered of the file at a path.
    #[must_use]
    pub fn entry(&self, path: &[u8]) -> Option<Remembered<'a>> {
        let mut input = Input(self.entries.get(path)?);
        Some(Remembered { stamp: input.stamp()?, tail: input.sized()?, info: input.0 })
    }

    /// How many files are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Writes a cache. Entries too large for the format are left out.
#[must_use]
pub fn encode<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        let start = body.len();
        if put_entry(&mut body, &entry).is_none() {
            body.truncate(start);
        }
    }
    let mut bytes = Vec::with_capacity(body.len() + 24);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.append(&mut body);
    bytes
}

fn put_entry(bytes: &mut Vec<u8>, entry: &Entry<'_>) -> Option<()> {
    put_sized(bytes, entry.path)?;
    let length_at = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let Stamp { file_system, device, inode, size, modified, changed } = entry.stamp;
    for number in [file_system, device, inode, size] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [modified.0, modified.1, changed.0, changed.1] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    put_sized(bytes, entry.tail)?;
    bytes.extend_from_slice(entry.info.as_bytes());
    let length = u32::try_from(bytes.len() - length_at - 4).ok()?;
    bytes.get_mut(length_at..length_at + 4)?.copy_from_slice(&length.to_le_bytes());
    Some(())
}

fn put_sized(bytes: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(part);
    Some(())
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
        let entry = |path| Entry { path, stamp: STAMP, tail: b"tail", info: &info };
        encode([entry(b"/a.ko".as_slice()), entry(b"/b.ko.xz")].into_iter())
    }

    #[test]
    fn entries_come_back_as_they_were_stored() {
        let bytes = encoded();
        let cache = Cache::decode(&bytes).unwrap();
        assert_eq!(cache.len(), 2);
        let remembered = cache.entry(b"/b.ko.xz").unwrap();
        assert_eq!((remembered.stamp, remembered.tail), (STAMP, b"tail".as_slice()));
        assert_eq!(remembered.info(), Some(info()));
        assert_eq!(cache.entry(b"/c.ko"), None);
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

    proptest! {
        #[test]
        fn any_bytes_under_a_right_checksum_give_entries_or_nothing(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(crc32fast::hash(&body).to_le_bytes());
            bytes.extend((body.len() as u64).to_le_bytes());
            bytes.extend(&body);
            if let Ok(cache) = Cache::decode(&bytes) {
                for path in cache.entries.keys() {
                    let _ = cache.entry(path).and_then(|entry| entry.info());
                }
            }
        }
    }
}
