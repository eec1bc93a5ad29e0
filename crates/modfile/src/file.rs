//! The bytes of one module file, read only where they are asked for.
//!
//! Of a plain module a few sections matter, a sixth of its bytes; they are read by position. A compressed
//! module is decompressed whole. Buffers belong to the caller and are used again for the next module.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::compression::{self, Compression, DECOMPRESSED_LIMIT, DecompressError};

/// Files up to this size are read at once, which is cheaper than six positioned reads.
const SMALL_FILE: usize = 24 << 10;

/// kmod takes nothing shorter for a module, whatever it holds.
const SHORTEST_FILE: u64 = 6;

/// Why a module file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something other than a regular file stands at the path.
    #[error("not a regular file")]
    NotRegular,
    /// The file is too short to be anything.
    #[error("only {0} bytes long")]
    TooShort(u64),
    /// The file, or a part of it that has to be read, is too large.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The compressed data give no module.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The plain data do not begin as ELF files do.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file whose structure contradicts itself.
    #[error("damaged ELF file: {0}")]
    Malformed(&'static str),
}

impl ReadError {
    /// The error number by which kmod reports this: `ENOEXEC`, `EINVAL` or the file system's own.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Io(error) => return error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()),
            Self::NotElf => rustix::io::Errno::NOEXEC,
            Self::TooLarge(_) | Self::Decompress(DecompressError::TooLarge { .. }) => rustix::io::Errno::FBIG,
            Self::NotRegular | Self::TooShort(_) | Self::Decompress(_) | Self::Malformed(_) => {
                rustix::io::Errno::INVAL
            }
        };
        errno.raw_os_error()
    }
}

/// Memory for reading module files, used again from one to the next.
#[derive(Debug, Default)]
pub struct Buffers {
    packed: Vec<u8>,
    image: Vec<u8>,
}

/// The plain bytes of a module.
#[derive(Clone, Copy, Debug)]
pub enum Image<'a> {
    /// A plain file, read by position.
    File {
        /// The open file.
        file: &'a File,
        /// Its size in bytes when it was opened.
        len: u64,
    },
    /// All bytes at hand: decompressed, or a small file.
    Memory(&'a [u8]),
}

impl<'a> Image<'a> {
    /// The size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `len` bytes at `offset` are inside.
    #[must_use]
    pub fn contains(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len())
    }

    /// The bytes of a range; `buffer` holds them if they must be read.
    ///
    /// # Errors
    /// [`ReadError::Malformed`] if the range is not inside, otherwise what the file system said.
    pub fn bytes<'b>(&self, offset: u64, len: u64, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ReadError>
    where
        'a: 'b,
    {
        const OUTSIDE: ReadError = ReadError::Malformed("a part lies outside of the file");
        if !self.contains(offset, len) {
            return Err(OUTSIDE);
        }
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        match *self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.get(start..).and_then(|rest| rest.get(..size)).ok_or(OUTSIDE)
            }
            Self::File { file, .. } => {
                if size > DECOMPRESSED_LIMIT {
                    return Err(ReadError::TooLarge(DECOMPRESSED_LIMIT));
                }
                buffer.resize(size, 0);
                file.read_exact_at(buffer, offset)?;
                Ok(buffer)
            }
        }
    }
}

/// Opens a module file without waiting: a fifo or a device that took the file's place is refused, not opened
/// for good.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::NotRegular`].
pub fn open(path: &Path) -> Result<File, ReadError> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file =
        File::options().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ReadError::NotRegular) }
}

/// Gives the plain bytes of an open module file, decompressed if need be.
///
/// # Errors
/// [`ReadError`] other than those about the structure of ELF files.
pub fn image<'a>(file: &'a File, buffers: &'a mut Buffers) -> Result<Image<'a>, ReadError> {
    let len = file.metadata()?.len();
    if len < SHORTEST_FILE {
        return Err(ReadError::TooShort(len));
    }
    let size = usize::try_from(len).unwrap_or(usize::MAX);
    let start = size.min(SMALL_FILE);
    buffers.packed.resize(start, 0);
    file.read_exact_at(&mut buffers.packed, 0)?;
    let Some(format) = Compression::detect(&buffers.packed) else {
        return Ok(if size <= SMALL_FILE {
            Image::Memory(&buffers.packed)
        } else {
            Image::File { file, len }
        });
    };
    if size > DECOMPRESSED_LIMIT {
        return Err(ReadError::TooLarge(DECOMPRESSED_LIMIT));
    }
    buffers.packed.resize(size, 0);
    if let Some(rest) = buffers.packed.get_mut(start..) {
        file.read_exact_at(rest, start as u64)?;
    }
    compression::decompress(format, &buffers.packed, DECOMPRESSED_LIMIT, &mut buffers.image)?;
    Ok(Image::Memory(&buffers.image))
}
