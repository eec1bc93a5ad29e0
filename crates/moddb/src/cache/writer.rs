//! Writes a cache.

use modfile::list::{ByteString, List};

use crate::cache::format::{Database, Entry, HEADER, MAGIC, Stamp, VERSION, program};

/// Collects what a cache is to hold. What is too large for the format is left out.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    modules: Vec<u8>,
    directories: Vec<u8>,
    database: Vec<u8>,
}

impl Writer {
    /// Adds a module, which stands behind the ones before it in the database.
    pub fn module(&mut self, entry: &Entry<'_>) {
        let Entry { path, recorded, stamp, tail, info } = *entry;
        put_or_leave(&mut self.modules, |bytes| {
            put_text(bytes, path)?;
            put_sized(bytes, |bytes| {
                bytes.extend_from_slice(&u32::try_from(recorded).ok()?.to_le_bytes());
                put_stamp(bytes, stamp);
                put_text(bytes, tail)?;
                bytes.extend_from_slice(info.as_bytes());
                Some(())
            })
        });
    }

    /// Adds what is in a directory.
    pub fn directory(&mut self, path: &[u8], stamp: Stamp, names: &List<ByteString>) {
        put_or_leave(&mut self.directories, |bytes| {
            put_text(bytes, path)?;
            put_sized(bytes, |bytes| {
                put_stamp(bytes, stamp);
                bytes.extend_from_slice(names.as_bytes());
                Some(())
            })
        });
    }

    /// Says which database the modules give.
    pub fn database(&mut self, database: &Database) {
        self.database.clear();
        put_or_leave(&mut self.database, |bytes| {
            bytes.extend_from_slice(&database.aliases.to_le_bytes());
            bytes.extend_from_slice(&database.symbols.to_le_bytes());
            put_text(bytes, &database.circumstances)?;
            database.files.iter().for_each(|&stamp| put_stamp(bytes, stamp));
            Some(())
        });
    }

    /// The bytes of the cache.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let parts = [&self.modules, &self.directories, &self.database];
        let len: usize = parts.iter().map(|part| part.len() + size_of::<u64>()).sum();
        let mut bytes = Vec::with_capacity(HEADER + len);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&program());
        let checksum_at = bytes.len();
        bytes.extend_from_slice(&[0; size_of::<u32>()]);
        bytes.extend_from_slice(&(len as u64).to_le_bytes());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let checksum = crc32fast::hash(bytes.get(HEADER..).unwrap_or_default());
        if let Some(slot) = bytes.get_mut(checksum_at..).and_then(<[u8]>::first_chunk_mut) {
            *slot = checksum.to_le_bytes();
        }
        bytes
    }
}

/// Lets `put` add something at the end of bytes; what did not fit is taken away again.
fn put_or_leave(bytes: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Option<()>) {
    let start = bytes.len();
    if put(bytes).is_none() {
        bytes.truncate(start);
    }
}

/// Puts what `put` adds behind its length.
fn put_sized(bytes: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    let length_at = bytes.len();
    bytes.extend_from_slice(&[0; size_of::<u32>()]);
    put(bytes)?;
    let length = u32::try_from(bytes.len() - length_at - size_of::<u32>()).ok()?;
    *bytes.get_mut(length_at..)?.first_chunk_mut()? = length.to_le_bytes();
    Some(())
}

fn put_text(bytes: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(text);
    Some(())
}

fn put_stamp(bytes: &mut Vec<u8>, stamp: Stamp) {
    let Stamp { file_system, device, inode, size, modified, changed } = stamp;
    for number in [file_system, device, inode, size] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [modified.0, modified.1, changed.0, changed.1] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}
