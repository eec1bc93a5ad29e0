//! What an index is read from: bytes at positions.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::error::IndexError;
use super::format::LARGEST_FILE;

/// Bytes of a known length that are read at any position.
pub trait Source {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills the beginning of `buffer` with the bytes from `offset` on; returns how many there were.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// How much one system call reads, and how many such pieces are kept. Questions about one module after the other
/// go through the same nodes near the root, and neighbours in a file are often asked for together.
const PAGE: usize = 32 << 10;
const PAGES_KEPT: usize = 16;

/// A regular file, open for reading. What was read is kept, so the answers are those of one moment.
#[derive(Debug)]
pub struct FileSource {
    fd: OwnedFd,
    size: u64,
    /// Pieces of the file by their number; a piece at the end may be short.
    pages: RefCell<Vec<(u64, Vec<u8>)>>,
}

impl FileSource {
    /// Opens a regular file without waiting for anything.
    ///
    /// # Errors
    /// The system's refusal, [`IndexError::NotAFile`] or [`IndexError::TooLong`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(IndexError::NotAFile);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > LARGEST_FILE {
            return Err(IndexError::TooLong(size));
        }
        Ok(Self { fd, size, pages: RefCell::default() })
    }

    /// Hands a piece of the file to `take`.
    fn page<T>(&self, number: u64, take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let mut pages = self.pages.borrow_mut();
        if let Some((_, page)) = pages.iter().find(|(known, _)| *known == number) {
            return Ok(take(page));
        }
        let mut page = Vec::with_capacity(PAGE);
        let offset = number.saturating_mul(PAGE as u64);
        rustix::io::retry_on_intr(|| {
            rustix::io::pread(&self.fd, rustix::buffer::spare_capacity(&mut page), offset)
        })?;
        let taken = take(&page);
        if pages.len() >= PAGES_KEPT {
            pages.remove(0);
        }
        pages.push((number, page));
        Ok(taken)
    }
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if buffer.len() > PAGE {
            return Ok(rustix::io::retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, offset))?);
        }
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            let within = usize::try_from(at % PAGE as u64).unwrap_or(0);
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let count = self.page(at / PAGE as u64, |page| {
                let rest = page.get(within..).unwrap_or_default();
                let count = rest.len().min(room.len());
                if let (Some(to), Some(from)) = (room.get_mut(..count), rest.get(..count)) {
                    to.copy_from_slice(from);
                }
                count
            })?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        Ok(filled)
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
