//! Hands a module file to the kernel.
//!
//! The kernel reads the file itself wherever it can: a plain file always, a compressed one if the kernel says
//! that it knows the format. Otherwise, and on kernels without finit_module(2), the image is made here.

use std::ffi::CStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use modfile::ReadError;
use modfile::compression::{Compression, DECOMPRESSED_LIMIT, Decompressor};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{force, xz};
use crate::ops::{InsertError, InsertFlags};
use crate::sysfs::Sysfs;

/// Flags of finit_module(2), from the kernel's `linux/module.h`.
const IGNORE_MODVERSIONS: i32 = 1;
const IGNORE_VERMAGIC: i32 = 2;
const COMPRESSED_FILE: i32 = 4;

/// The longest of the byte sequences by which formats are recognised; a shorter file is no module.
const MAGIC_LEN: usize = 6;
/// The flags of a gzip header (RFC 1952, section 2.3.1) that the kernel understands: that it is text, which says nothing,
/// and the name of a file. It takes any other field for the beginning of what is packed.
const GZIP_KERNEL_FLAGS: u8 = 1 << 0 | 1 << 3;
/// The longest index of an xz file that is read here, in bytes.
const LONGEST_INDEX: usize = 64 << 10;

pub(super) fn insert(
    sysfs: &Sysfs,
    path: &Path,
    params: &CStr,
    flags: InsertFlags,
) -> Result<(), InsertError> {
    let open_flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, open_flags, Mode::empty()).map_err(read_error)?;
    let stat = rustix::fs::fstat(&file).map_err(read_error)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(read_error(Errno::ISDIR)),
        _ => return Err(ReadError::NotRegular.into()),
    }
    let mut start = [0; xz::HEADER_LEN];
    let len = rustix::io::pread(&file, start.as_mut_slice(), 0).map_err(read_error)?;
    if len < MAGIC_LEN {
        return Err(ReadError::TooShort(len as u64).into());
    }
    let format = Compression::detect(&start);
    if format.is_none() || format == sysfs.compression() && kernel_reads(&file, format, &start) {
        match rustix::system::finit_module(&file, params, bits(flags, format)) {
            Err(Errno::NOSYS) => {}
            result => return Ok(result?),
        }
    }
    let image = image(file.into(), format, flags)?;
    Ok(rustix::system::init_module(&image, params)?)
}

/// Whether the kernel's decompressor for a format can read this file that begins with `start`.
fn kernel_reads(file: &OwnedFd, format: Option<Compression>, start: &[u8]) -> bool {
    match format {
        Some(Compression::Xz) => xz_is_readable(file, start).unwrap_or(false),
        Some(Compression::Gzip) => start.get(3).is_some_and(|flags| flags & !GZIP_KERNEL_FLAGS == 0),
        Some(Compression::Zstd) | None => true,
    }
}

fn xz_is_readable(file: &OwnedFd, start: &[u8]) -> Option<bool> {
    let len = u64::try_from(rustix::fs::fstat(file).ok()?.st_size).ok()?;
    let mut footer = [0; 12];
    read_exactly(file, &mut footer, len.checked_sub(12)?)?;
    let (index, index_len) = xz::index_range(&footer, len)?;
    // A module is some blocks at most; an index that is longer has another use.
    let mut bytes = vec![0; usize::try_from(index_len).ok().filter(|&len| len <= LONGEST_INDEX)?];
    read_exactly(file, &mut bytes, index)?;
    Some(xz::is_readable(start, &bytes, len))
}

fn read_exactly(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> Option<()> {
    (rustix::io::pread(file, &mut *buffer, offset).ok()? == buffer.len()).then_some(())
}

fn bits(flags: InsertFlags, format: Option<Compression>) -> i32 {
    let mut bits = 0;
    if flags.ignore_modversions {
        bits |= IGNORE_MODVERSIONS;
    }
    if flags.ignore_vermagic {
        bits |= IGNORE_VERMAGIC;
    }
    if format.is_some() {
        bits |= COMPRESSED_FILE;
    }
    bits
}

/// The plain bytes of a module as init_module(2) wants them: that call has no flags, so what is not to be
/// checked is taken out.
fn image(
    file: std::fs::File,
    format: Option<Compression>,
    flags: InsertFlags,
) -> Result<Vec<u8>, InsertError> {
    let limit = u64::try_from(DECOMPRESSED_LIMIT).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() > DECOMPRESSED_LIMIT {
        return Err(ReadError::TooLarge(DECOMPRESSED_LIMIT).into());
    }
    if let Some(format) = format {
        let packed = std::mem::take(&mut bytes);
        Decompressor::default().decompress(format, &packed, DECOMPRESSED_LIMIT, &mut bytes)?;
    }
    if flags.ignore_modversions {
        force::hide_modversions(&mut bytes)?;
    }
    if flags.ignore_vermagic {
        force::erase_vermagic(&mut bytes)?;
    }
    Ok(bytes)
}

fn read_error(errno: Errno) -> InsertError {
    ReadError::Io(io::Error::from(errno)).into()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use fixtures::Module;

    use super::*;

    #[test]
    fn a_compressed_module_becomes_its_plain_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let plain = Module::new("a").bytes();
        for (ours, theirs) in [
            (Compression::Gzip, fixtures::Compression::Gzip),
            (Compression::Xz, fixtures::Compression::Xz),
            (Compression::Zstd, fixtures::Compression::Zstd),
        ] {
            let path = directory.path().join("a.ko");
            std::fs::write(&path, fixtures::compress(&plain, theirs).unwrap()).unwrap();
            let image = image(File::open(&path).unwrap(), Some(ours), InsertFlags::default()).unwrap();
            assert_eq!(image, plain, "{ours}");
        }
    }

    #[test]
    fn what_is_no_module_file_never_reaches_the_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::new(directory.path());
        let attempt = |path: &Path| insert(&sysfs, path, c"", InsertFlags::default()).unwrap_err();
        let short = directory.path().join("short.ko");
        std::fs::write(&short, b"ELF").unwrap();
        assert!(attempt(&short).is(Errno::INVAL));
        assert!(attempt(directory.path()).is(Errno::ISDIR));
        assert!(attempt(&directory.path().join("missing.ko")).is(Errno::NOENT));
        let damaged = directory.path().join("damaged.ko.xz");
        std::fs::write(&damaged, b"\xFD7zXZ\0nonsense").unwrap();
        assert!(matches!(attempt(&damaged), InsertError::Decompress(_)));
    }

    #[test]
    fn the_kernel_is_given_compressed_files_that_it_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ko.xz");
        let readable = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let start = &content[..xz::HEADER_LEN.min(content.len())];
            kernel_reads(&File::open(&path).unwrap().into(), Some(Compression::Xz), start)
        };
        // As the kernel's own build packs them, with CRC32.
        let packed = fixtures::compress(&Module::new("a").bytes(), fixtures::Compression::Xz).unwrap();
        assert!(readable(&packed));
        assert!(!readable(&[packed.as_slice(), &packed].concat()));
        assert!(!readable(&packed[..packed.len() - 4]));
        let mut crc64 = packed;
        crc64[7] = 4;
        assert!(!readable(&crc64));
    }

    #[test]
    fn the_kernel_is_given_gzip_files_whose_header_has_no_more_than_a_name() {
        let file = tempfile::tempfile().unwrap().into();
        let readable = |flags| kernel_reads(&file, Some(Compression::Gzip), &[0x1F, 0x8B, 8, flags, 0, 0]);
        for flags in 0..=u8::MAX {
            assert_eq!(readable(flags), [0, 1, 8, 9].contains(&flags), "{flags:#x}");
        }
        assert!(!kernel_reads(&file, Some(Compression::Gzip), &[0x1F, 0x8B]));
    }

    #[test]
    fn the_flags_of_the_kernel_are_one_bit_each() {
        let both = InsertFlags { ignore_modversions: true, ignore_vermagic: true };
        assert_eq!(bits(both, Some(Compression::Xz)), 7);
        assert_eq!(bits(InsertFlags::default(), None), 0);
        assert_eq!(bits(InsertFlags { ignore_vermagic: true, ..InsertFlags::default() }, None), 2);
    }
}
