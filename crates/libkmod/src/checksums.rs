//! Stands in for liblzma's checksums, which are quicker by tables of 16 kB. Decoding takes far longer than either. The
//! linker takes the first of two definitions, and this one is first: see `cargo xtask libkmod`.

use std::slice;

use modfile::checksum::{crc32, crc64};

/// # Safety
/// As of C's `memchr`: so many bytes are there.
#[unsafe(no_mangle)]
unsafe extern "C" fn lzma_crc32(bytes: *const u8, len: usize, before: u32) -> u32 {
    // SAFETY: by contract.
    crc32(unsafe { taken(bytes, len) }, before)
}

/// # Safety
/// As of [`lzma_crc32`].
#[unsafe(no_mangle)]
unsafe extern "C" fn lzma_crc64(bytes: *const u8, len: usize, before: u64) -> u64 {
    // SAFETY: by contract.
    crc64(unsafe { taken(bytes, len) }, before)
}

/// # Safety
/// As of [`lzma_crc32`]. Of no bytes there need not even be a place.
unsafe fn taken<'a>(bytes: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: by contract; liblzma's buffers are its own and its caller's, and nobody writes to them meanwhile.
    unsafe { slice::from_raw_parts(bytes, len) }
}
