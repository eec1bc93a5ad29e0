//! What an index is read from: bytes at positions.

use std::io;
use std::os::fd::OwnedFd;

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
    /// Takes an open file of that length.
    pub(crate) fn new(fd: OwnedFd, size: u64) -> Self {
        Self { fd, size }
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
