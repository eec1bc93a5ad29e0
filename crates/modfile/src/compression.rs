//! How a module file is compressed, and its plain bytes.
//!
//! The format is recognised by the first bytes, never by the file's name, as the kernel and kmod do.
//! Output is bounded: a file of a few bytes can claim to hold terabytes.

use std::fmt;
use std::io::Read;

use flate2::{Decompress, FlushDecompress};
use xz2::stream::{Action, CONCATENATED, Status, Stream};
use zstd::zstd_safe::{DCtx, get_error_name as name_of};

use crate::{gzip, plain_size};

/// The largest decompressed module that is accepted, in bytes. The largest real ones, with debugging
/// information, are below a tenth of it.
pub const DECOMPRESSED_LIMIT: usize = 512 << 20;

/// What does not begin as an ELF file is decompressed no further than this, in bytes: it is not a module, however
/// it goes on, and a file of zeros packs a thousandfold.
const PROBE: usize = 16 << 20;

/// The largest buffer that is kept from one module to the next, in bytes: few modules are larger.
const KEPT: usize = 4 << 20;

/// The most memory that an xz file may demand for its dictionary, in bytes. `xz -9` asks for 65 MiB.
const XZ_MEMORY_LIMIT: u64 = 256 << 20;

/// The room that is left behind what a file holds, in bytes: decoders notice the end only if there is some.
const SLACK: usize = 64;

/// The answer of zstd's functions that means `ZSTD_error_dstSize_tooSmall` (`zstd_errors.h`).
const DESTINATION_TOO_SMALL: usize = 70_usize.wrapping_neg();

/// A compression format that module files come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, `.ko.gz`.
    Gzip,
    /// `.ko.xz`.
    Xz,
    /// RFC 8878, `.ko.zst`.
    Zstd,
}

impl Compression {
    /// The format that begins with these bytes, or `None` for a file that is not compressed.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], Compression); 3] = [
            (&[0x28, 0xB5, 0x2F, 0xFD], Compression::Zstd),
            (&[0xFD, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (&[0x1F, 0x8B], Compression::Gzip),
        ];
        MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|&(_, format)| format)
    }

    /// The name by which users know the format, also that of `/sys/module/compression`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a compressed module has no plain bytes.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The data are damaged; the text is the decompressor's.
    #[error("{format}: {reason}")]
    Damaged {
        /// The format in which the file begins.
        format: Compression,
        /// What the decompressor said.
        reason: String,
    },
    /// The plain bytes begin as no module does; how they go on was not looked at.
    #[error("{format}: what it holds is not an ELF file")]
    NotElf {
        /// The format in which the file begins.
        format: Compression,
    },
    /// The plain bytes would exceed the limit.
    #[error("{format}: decompresses to more than {limit} bytes")]
    TooLarge {
        /// The format in which the file begins.
        format: Compression,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no memory for the plain bytes.
    #[error("{format}: not enough memory to decompress it")]
    NoMemory {
        /// The format in which the file begins.
        format: Compression,
    },
}

/// Decompresses one module after the other, and keeps what can be used again in between: a zstd decoder takes as
/// long to make as a small module to decode.
#[derive(Default)]
pub struct Decompressor {
    zstd: Option<DCtx<'static>>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Decompressor")
    }
}

impl Decompressor {
    /// Replaces the contents of `plain` by the plain bytes of `packed`, at most `limit` of them. The capacity of
    /// `plain` is kept from call to call, which is why it is handed in.
    ///
    /// # Errors
    /// [`DecompressError`]; `plain` then holds no meaning.
    pub fn decompress(
        &mut self,
        format: Compression,
        packed: &[u8],
        limit: usize,
        plain: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        // One giant does not keep its memory to the end of the run.
        if plain.capacity() > KEPT {
            *plain = Vec::new();
        }
        plain.clear();
        match format {
            Compression::Gzip => gunzip(packed, limit, plain),
            Compression::Xz => unxz(packed, limit, plain),
            Compression::Zstd => self.unzstd(packed, limit, plain),
        }?;
        if plain.len() > limit { Err(DecompressError::TooLarge { format, limit }) } else { Ok(()) }
    }

    fn unzstd(&mut self, packed: &[u8], limit: usize, plain: &mut Vec<u8>) -> Result<(), DecompressError> {
        let format = Compression::Zstd;
        let damaged = |error| failed(format, &error);
        let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
        let size = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if size.is_some_and(|size| size > limit) {
            return Err(DecompressError::TooLarge { format, limit });
        }
        // One frame of a known size, which is what module builds write, is decoded without a window.
        if let Some(size) = size.filter(|&size| size <= PROBE) {
            plain.try_reserve(size).map_err(|_| DecompressError::NoMemory { format })?;
            let decoder = match &mut self.zstd {
                Some(decoder) => decoder,
                none => none.insert(DCtx::try_create().ok_or(DecompressError::NoMemory { format })?),
            };
            match decoder.decompress(plain, packed) {
                Ok(_) => return Ok(()),
                // More frames follow the first.
                Err(code) if code == DESTINATION_TOO_SMALL => plain.clear(),
                Err(code) => return Err(DecompressError::Damaged { format, reason: name_of(code).into() }),
            }
        }
        read_bounded(format, zstd::stream::read::Decoder::with_buffer(packed).map_err(damaged)?, limit, plain)
    }
}

/// Members one after the other, each with its own frame. compat: what follows them and begins no other is passed over,
/// as by zlib and gzip(1): archives on tape are filled up with zeros (test
/// `what_follows_the_last_member_of_a_gzip_file_is_passed_over_unless_it_begins_another`).
fn gunzip(packed: &[u8], limit: usize, plain: &mut Vec<u8>) -> Result<(), DecompressError> {
    let format = Compression::Gzip;
    let damaged = |reason: &str| DecompressError::Damaged { format, reason: reason.to_owned() };
    let size = make_room(format, plain_size::of_gzip(packed), packed, limit, plain)?;
    // Room is made of zeros once, and not for every member: a file may have a hundred thousand empty ones. Nor is it all
    // that an earlier file has left.
    plain.resize(size, 0);
    let mut inflater = Decompress::new(false);
    let (mut rest, mut len) = (packed, 0);
    loop {
        let body = gzip::body(rest).ok_or_else(|| damaged("invalid header"))?;
        inflater.reset(false);
        let end = inflate(&mut inflater, body, limit, plain, len)?;
        let consumed = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
        let held = plain.get(len..end).unwrap_or_default();
        let trailer = gzip::behind_trailer(body.get(consumed..).unwrap_or_default(), held);
        let (next, is_whole) = trailer.ok_or_else(|| damaged("unexpected end"))?;
        if !is_whole {
            return Err(damaged("checksum or length do not match"));
        }
        (rest, len) = (next, end);
        if !gzip::begins_member(rest) {
            plain.truncate(len);
            return Ok(());
        }
    }
}

/// Puts what a member holds behind the first `start` bytes of the room, and more room behind it if it is needed. Where
/// it ends.
fn inflate(
    inflater: &mut Decompress,
    packed: &[u8],
    limit: usize,
    room: &mut Vec<u8>,
    start: usize,
) -> Result<usize, DecompressError> {
    let format = Compression::Gzip;
    let damaged = |reason: &str| DecompressError::Damaged { format, reason: reason.to_owned() };
    let place = |total: u64| usize::try_from(total).unwrap_or(usize::MAX);
    loop {
        let before = (inflater.total_in(), inflater.total_out());
        let rest = packed.get(place(before.0)..).unwrap_or_default();
        let free = room.get_mut(start + place(before.1)..).unwrap_or_default();
        let status = inflater.decompress(rest, free, FlushDecompress::None);
        let len = start + place(inflater.total_out());
        if status.map_err(|_| damaged("corrupt data"))? == flate2::Status::StreamEnd {
            return Ok(len);
        }
        if len == room.len() {
            probe(format, room)?;
            // Where it ends is noticed only if there is room left; more than the limit is refused at the end.
            grow(format, limit.saturating_add(SLACK), room)?;
            room.resize(room.capacity(), 0);
        } else if (inflater.total_in(), inflater.total_out()) == before {
            return Err(damaged("unexpected end"));
        }
    }
}

fn unxz(packed: &[u8], limit: usize, plain: &mut Vec<u8>) -> Result<(), DecompressError> {
    let format = Compression::Xz;
    let damaged = |error: xz2::stream::Error| {
        use xz2::stream::Error;
        let reason = match error {
            Error::Data => "File is corrupt".to_owned(),
            Error::Format => "File format not recognized".to_owned(),
            Error::Options => "Unsupported compression options".to_owned(),
            Error::MemLimit => format!("a dictionary of more than {XZ_MEMORY_LIMIT} bytes"),
            Error::Mem => return DecompressError::NoMemory { format },
            other => other.to_string(),
        };
        DecompressError::Damaged { format, reason }
    };
    let mut stream = Stream::new_stream_decoder(XZ_MEMORY_LIMIT, CONCATENATED).map_err(damaged)?;
    make_room(format, plain_size::of_xz(packed), packed, limit, plain)?;
    loop {
        let consumed = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let rest = packed.get(consumed..).unwrap_or_default();
        match stream.process_vec(rest, plain, Action::Finish).map_err(damaged)? {
            Status::StreamEnd => return Ok(()),
            Status::Ok | Status::MemNeeded | Status::GetCheck => {}
        }
        if plain.len() < plain.capacity() {
            return Err(DecompressError::Damaged { format, reason: "Unexpected end of input".to_owned() });
        }
        probe(format, plain)?;
        grow(format, limit, plain)?;
    }
}

/// Makes as much room as a file says that it needs, if that can be true, else what most need, and says how much; what
/// is needed more is found by growing.
fn make_room(
    format: Compression,
    said: Option<usize>,
    packed: &[u8],
    limit: usize,
    plain: &mut Vec<u8>,
) -> Result<usize, DecompressError> {
    /// Modules are seldom packed more than tenfold.
    const DENSEST: usize = 32;
    let credible = said.filter(|&said| said <= packed.len().saturating_mul(DENSEST));
    let size = credible.map_or(packed.len().saturating_mul(4), |size| size + SLACK);
    let size = size.min(limit.saturating_add(SLACK));
    plain.try_reserve_exact(size).map_err(|_| DecompressError::NoMemory { format })?;
    Ok(size)
}

/// What a decompressor said.
fn failed(format: Compression, error: &std::io::Error) -> DecompressError {
    if error.kind() == std::io::ErrorKind::OutOfMemory {
        return DecompressError::NoMemory { format };
    }
    DecompressError::Damaged { format, reason: error.to_string() }
}

fn read_bounded(
    format: Compression,
    mut decoder: impl Read,
    limit: usize,
    plain: &mut Vec<u8>,
) -> Result<(), DecompressError> {
    let damaged = |error| failed(format, &error);
    let bound = limit.saturating_add(1);
    let first = bound.min(PROBE);
    decoder.by_ref().take(first as u64).read_to_end(plain).map_err(damaged)?;
    probe(format, plain)?;
    decoder.take((bound - first) as u64).read_to_end(plain).map_err(damaged)?;
    Ok(())
}

/// Whether it is worth going on with what begins so.
fn probe(format: Compression, plain: &[u8]) -> Result<(), DecompressError> {
    let is_module = plain.len() < PROBE || plain.starts_with(b"\x7FELF");
    if is_module { Ok(()) } else { Err(DecompressError::NotElf { format }) }
}

/// Doubles the room in a full buffer, up to the limit.
fn grow(format: Compression, limit: usize, plain: &mut Vec<u8>) -> Result<(), DecompressError> {
    if plain.len() >= limit {
        return Err(DecompressError::TooLarge { format, limit });
    }
    let room = plain.len().max(64 << 10).min(limit - plain.len());
    plain.try_reserve_exact(room).map_err(|_| DecompressError::NoMemory { format })
}

#[cfg(test)]
mod tests;
