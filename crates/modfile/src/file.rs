//! The bytes of one module file, read only where they are asked for.
//!
//! Of a plain module a few sections matter, a sixth of its bytes; they are read by position. A compressed
//! module is decompressed whole. Buffers belong to the caller and are used again for the next module.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::compression::{Compression, DECOMPRESSED_LIMIT, DecompressError, Decompressor};

/// Files up to this size are read at once, which takes less time than four positioned reads.
const SMALL_FILE: usize = 24 << 10;

/// Of a larger file this much is read first: the header of an ELF file, or the magic bytes of another.
const START: usize = 64;

/// Of the end of a larger file this much: sections' names, their table and the signature of real modules take up to
/// 7.5 KiB.
const END: usize = 8 << 10;

/// The largest part of a module that is looked at, in bytes: the symbol table, its names, or one other section.
/// Those of real modules with debugging information have a few megabytes. Sections may overlap and holes in a
/// file cost nothing, so the size of the file does not limit it.
pub const PART_LIMIT: u64 = 16 << 20;

/// The largest compressed file that is read, in bytes.
const PACKED_LIMIT: usize = 128 << 20;

/// kmod takes nothing shorter for a module, whatever it holds.
const SHORTEST_FILE: u64 = 6;

/// Bytes at the end of a compressed file that are kept.
const TAIL: usize = 64;

/// The length of what ends a member of a gzip file. All zeros, they are those of an empty one, or behind the last one;
/// no format has as many at the end of a module otherwise.
const CHECKSUM_AND_SIZE: usize = 8;

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
    /// There is no memory for a part that has to be read.
    #[error("not enough memory for {0} bytes of it")]
    NoMemory(usize),
    /// The data cannot be decompressed to a module.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The plain data do not begin as ELF files do.
    #[error("not an ELF file")]
    NotElf,
    /// What `objcopy --only-keep-debug` leaves of a module.
    #[error("it holds only debug information, no module")]
    DebugOnly,
    /// An ELF file whose structure contradicts itself.
    #[error("damaged ELF file: {0}")]
    Malformed(&'static str),
}

impl ReadError {
    /// The error number by which kmod reports this: `ENOEXEC`, `EINVAL` or the file system's own.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Io(error) if error.kind() == io::ErrorKind::OutOfMemory => rustix::io::Errno::NOMEM,
            Self::Io(error) => return error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()),
            Self::NoMemory(_) | Self::Decompress(DecompressError::NoMemory { .. }) => {
                rustix::io::Errno::NOMEM
            }
            Self::NotElf => rustix::io::Errno::NOEXEC,
            Self::TooLarge(_) | Self::Decompress(DecompressError::TooLarge { .. }) => rustix::io::Errno::FBIG,
            Self::NotRegular
            | Self::DebugOnly
            | Self::TooShort(_)
            | Self::Decompress(_)
            | Self::Malformed(_) => rustix::io::Errno::INVAL,
        };
        errno.raw_os_error()
    }
}

/// Memory for reading module files, used again from one to the next.
#[derive(Debug, Default)]
pub struct Buffers {
    packed: Vec<u8>,
    /// The plain bytes of a compressed file, or the last bytes of another.
    image: Vec<u8>,
    decompressor: Decompressor,
}

impl Buffers {
    /// Gives back what is larger than small modules need, and the decompressor: what is left may be kept for long.
    pub fn keep_small(&mut self) {
        for buffer in [&mut self.packed, &mut self.image] {
            if buffer.capacity() > SMALL_FILE {
                *buffer = Vec::new();
            }
        }
        self.decompressor = Decompressor::default();
    }
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
        /// Its first bytes, at hand already.
        start: &'a [u8],
        /// Others that are at hand, and where they begin.
        part: (u64, &'a [u8]),
    },
    /// All bytes of a small file.
    Memory(&'a [u8]),
    /// All bytes of a compressed file.
    Decompressed {
        /// The plain bytes.
        bytes: &'a [u8],
        /// The file's own bytes.
        packed: &'a [u8],
    },
}

impl<'a> Image<'a> {
    /// The size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory(bytes) | Self::Decompressed { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The last bytes of a compressed file as they stand on disk; nothing for others. They end in checksums, so
    /// they distinguish one version of a module from another. Nothing for a file that is filled up with zeros, too.
    #[must_use]
    pub fn tail(&self) -> &'a [u8] {
        match *self {
            Self::Decompressed { packed, .. } if packed.ends_with(&[0; CHECKSUM_AND_SIZE]) => &[],
            Self::Decompressed { packed, .. } => {
                packed.get(packed.len().saturating_sub(TAIL)..).unwrap_or_default()
            }
            Self::File { .. } | Self::Memory(_) => &[],
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
        if len > PART_LIMIT {
            return Err(ReadError::Malformed("a part of it is larger than 16 MiB"));
        }
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        let part = |bytes: &'a [u8], before: u64| {
            let at = usize::try_from(offset.checked_sub(before)?).ok()?;
            bytes.get(at..)?.get(..size)
        };
        match *self {
            Self::Memory(bytes) | Self::Decompressed { bytes, .. } => part(bytes, 0).ok_or(OUTSIDE),
            Self::File { file, start, part: (before, at_hand), .. } => {
                if let Some(bytes) = part(start, 0).or_else(|| part(at_hand, before)) {
                    return Ok(bytes);
                }
                let buffer = room(buffer, size)?;
                file.read_exact_at(buffer, offset)?;
                Ok(buffer)
            }
        }
    }
}

impl Image<'_> {
    /// The same image with a range of it at hand, which `buffer` holds if it must be read.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) fn with_part<'b>(
        &'b self,
        offset: u64,
        size: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Image<'b>, ReadError> {
        match *self {
            Self::File { file, len, start, .. } => {
                let part = (offset, self.bytes(offset, size, buffer)?);
                Ok(Image::File { file, len, start, part })
            }
            at_hand => Ok(at_hand),
        }
    }
}

/// The first bytes of a buffer, which grows if it has to and never shrinks: zeroing it for each module would
/// cost more than reading.
fn room(buffer: &mut Vec<u8>, size: usize) -> Result<&mut [u8], ReadError> {
    if size > DECOMPRESSED_LIMIT {
        return Err(ReadError::TooLarge(DECOMPRESSED_LIMIT));
    }
    if buffer.len() < size {
        // A new one: what the old one holds is not needed any more.
        *buffer = Vec::new();
        buffer.try_reserve_exact(size).map_err(|_| ReadError::NoMemory(size))?;
        buffer.resize(size, 0);
    }
    buffer.get_mut(..size).ok_or(ReadError::TooLarge(size))
}

/// A module file that was opened.
#[derive(Debug)]
pub struct ModuleFile {
    file: File,
    metadata: Metadata,
}

impl ModuleFile {
    /// What the file system says of the open file.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Opens a module file without waiting: a fifo or a device that took the file's place is refused, not opened
/// for good.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::NotRegular`].
pub fn open(path: &Path) -> Result<ModuleFile, ReadError> {
    // Not through the standard library: with musl that asks for the close-on-exec flag a second time.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    opened(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?)
}

/// A module file that the caller opened, with the flags of [`open`].
///
/// # Errors
/// As [`open`].
pub fn opened(fd: OwnedFd) -> Result<ModuleFile, ReadError> {
    let file = File::from(fd);
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ReadError::Io(rustix::io::Errno::ISDIR.into()));
    }
    if metadata.is_file() { Ok(ModuleFile { file, metadata }) } else { Err(ReadError::NotRegular) }
}

/// The last bytes of a file, as [`Image::tail`] returns them for a compressed one.
///
/// # Errors
/// [`ReadError`] if the file cannot be read.
pub fn tail(module: &ModuleFile) -> Result<Vec<u8>, ReadError> {
    let len = module.metadata.len();
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(TAIL).min(TAIL)];
    let offset = len - bytes.len() as u64;
    module.file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// The plain bytes of an open module file, decompressed if need be.
///
/// # Errors
/// [`ReadError`] other than those about the structure of ELF files.
pub fn image<'a>(module: &'a ModuleFile, buffers: &'a mut Buffers) -> Result<Image<'a>, ReadError> {
    read(module, buffers, 0)
}

/// The same for those who ask for the strings and the signature, nothing else: the table of sections and the
/// signature are at a file's end, so one read fetches what would take four.
///
/// # Errors
/// As [`image`].
pub fn image_with_end<'a>(module: &'a ModuleFile, buffers: &'a mut Buffers) -> Result<Image<'a>, ReadError> {
    read(module, buffers, END)
}

/// The image of a file of which, if it is plain and large, the last `end` bytes are read now.
fn read<'a>(module: &'a ModuleFile, buffers: &'a mut Buffers, end: usize) -> Result<Image<'a>, ReadError> {
    let ModuleFile { file, metadata } = module;
    let len = metadata.len();
    if len < SHORTEST_FILE {
        return Err(ReadError::TooShort(len));
    }
    let size = usize::try_from(len).unwrap_or(usize::MAX);
    let is_small = size <= SMALL_FILE;
    let Buffers { packed, image, decompressor } = buffers;
    let start = if is_small { size } else { START };
    file.read_exact_at(room(packed, start)?, 0)?;
    if let Some(format) = Compression::detect(packed.get(..start).unwrap_or_default()) {
        if size > PACKED_LIMIT {
            return Err(ReadError::TooLarge(PACKED_LIMIT));
        }
        if !is_small {
            file.read_exact_at(room(packed, size)?, 0)?;
        }
        let packed = packed.get(..size).unwrap_or_default();
        match decompressor.decompress(format, packed, DECOMPRESSED_LIMIT, image) {
            Err(DecompressError::NotElf { .. }) => return Err(ReadError::NotElf),
            result => result?,
        }
        return Ok(Image::Decompressed { bytes: image, packed });
    }
    let start = packed.get(..start).unwrap_or_default();
    if is_small {
        return Ok(Image::Memory(start));
    }
    let end = room(image, end)?;
    let before = len - end.len() as u64;
    file.read_exact_at(end, before)?;
    Ok(Image::File { file, len, start, part: (before, end) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_of_a_compressed_file_say_something_or_there_are_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.ko");
        let tail_of = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            image(&open(&path).unwrap(), &mut Buffers::default()).unwrap().tail().to_vec()
        };
        let plain = fixtures::Module::new("a").bytes();
        assert_eq!(tail_of(&plain), b"");
        for how in [fixtures::Compression::Gzip, fixtures::Compression::Xz, fixtures::Compression::Zstd] {
            let packed = fixtures::compress(&plain, how).unwrap();
            assert_eq!(tail_of(&packed), packed[packed.len() - TAIL..], "{how:?}");
        }
        let packed = |how| fixtures::compress(&plain, how).unwrap();
        let [gzip, xz] = [fixtures::Compression::Gzip, fixtures::Compression::Xz].map(packed);
        assert_eq!(tail_of(&[gzip.as_slice(), &[0; 512]].concat()), b"", "filled up");
        assert_eq!(tail_of(&[xz.as_slice(), &[0; 512]].concat()), b"", "as the format allows");
        let empty = fixtures::compress(b"", fixtures::Compression::Gzip).unwrap();
        assert_eq!(tail_of(&[gzip, empty].concat()), b"");
    }
}
