//! What an index is read from: bytes at positions.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::error::IndexError;

/// Bytes of a known length that are read at any position.
pub trait Source {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills the beginning of `buffer` with the bytes from `offset` on; gives how many there were.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct FileSource {
    fd: OwnedFd,
    size: u64,
}

impl FileSource {
    /// Opens a regular file without waiting for anything.
    ///
    /// # Errors
    /// The system's refusal, or [`IndexError::NotAFile`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(IndexError::NotAFile);
        }
        Ok(Self { fd, size: u64::try_from(stat.st_size).unwrap_or(0) })
    }
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, offset))?)
    }
}

impl<B: AsRef<[u8]>> Source for B {
    fn size(&self) -> u64 {
        u64::try_from(self.as_ref().len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.as_ref().get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}
