//! Whether the kernel's own decompressor can read a file compressed with xz.
//!
//! It is smaller than others (`lib/xz` of the kernel): it fails at a check of the content other than CRC32 or none,
//! and at a filter that it was built without; of several streams in a row it reads the first. What it does not read
//! is decompressed here, before the kernel is asked: after it has refused a file nobody knows whether the module's
//! code has run. The layout is that of "The .xz File Format" 1.2.

/// Stream header and the first bytes of the first block's header.
pub(super) const HEADER_LEN: usize = 32;
/// A stream begins with a magic number, flags and a checksum, and ends with as many bytes.
const FRAME_LEN: u64 = 12;
const FOOTER_MAGIC: &[u8] = b"YZ";
/// No check, and CRC32.
const READABLE_CHECKS: [u8; 2] = [0, 1];
const LZMA2: u8 = 0x21;

/// Where the index of the last stream is: its place and length, from the last bytes of the file.
pub(super) fn index_range(footer: &[u8], file_len: u64) -> Option<(u64, u64)> {
    let (crc_and_size, flags_and_magic) = footer.split_at_checked(8)?;
    let size = u32::from_le_bytes(*crc_and_size.last_chunk()?);
    if flags_and_magic.get(2..) != Some(FOOTER_MAGIC) {
        return None;
    }
    let len = (u64::from(size) + 1) * 4;
    let start = file_len.checked_sub(FRAME_LEN)?.checked_sub(len)?;
    (start >= FRAME_LEN).then_some((start, len))
}

/// Whether the kernel reads the file that begins with `header` and whose last stream has this index.
pub(super) fn is_readable(header: &[u8], index: &[u8], file_len: u64) -> bool {
    let check = header.get(7).is_some_and(|check| READABLE_CHECKS.contains(check));
    check && has_only_lzma2(header) && stream_len(index) == Some(file_len)
}

/// Whether the first block has one filter, the one that every decompressor knows.
fn has_only_lzma2(header: &[u8]) -> bool {
    // The block header: its size, flags, sizes if flags say so, then the filters.
    let Some(block) = header.get(12..) else { return false };
    let (Some(&size), Some(&flags)) = (block.first(), block.get(1)) else { return false };
    let mut rest = block.get(2..).unwrap_or_default();
    for bit in [0x40, 0x80] {
        if flags & bit != 0 && number(&mut rest).is_none() {
            return false;
        }
    }
    size != 0 && flags & 0x3f == 0 && rest.first() == Some(&LZMA2)
}

/// The length of a stream with this index: header, blocks, each to a multiple of four, index and footer.
fn stream_len(index: &[u8]) -> Option<u64> {
    let mut rest = index.strip_prefix(&[0])?;
    let mut len = FRAME_LEN.checked_mul(2)?.checked_add(index.len().try_into().ok()?)?;
    for _ in 0..number(&mut rest)? {
        let unpadded = number(&mut rest)?;
        number(&mut rest)?;
        len = len.checked_add(unpadded.checked_next_multiple_of(4)?)?;
    }
    Some(len)
}

/// A number in seven bits of each byte, the lowest first; the last byte has its highest bit clear.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty stream with one block of eight bytes and this check.
    fn stream(check: u8, filters: &[u8]) -> Vec<u8> {
        let mut bytes = [b"\xFD7zXZ\0\0".as_slice(), &[check, 0, 0, 0, 0]].concat();
        bytes.extend([[2, 0].as_slice(), filters, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
        bytes.resize(12 + 12 + 8, 0);
        // The index: a record of 19 bytes, padded; its checksum; the footer.
        bytes.extend([0, 1, 19, 1, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, check, b'Y', b'Z']);
        bytes
    }

    fn readable(file: &[u8]) -> bool {
        let len = file.len() as u64;
        let footer = &file[file.len() - 12..];
        let Some((start, index_len)) = index_range(footer, len) else { return false };
        let start = usize::try_from(start).unwrap();
        let index = &file[start..start + usize::try_from(index_len).unwrap()];
        is_readable(&file[..HEADER_LEN.min(file.len())], index, len)
    }

    #[test]
    fn the_kernel_reads_one_stream_with_no_check_or_crc32() {
        assert_eq!(stream_len(&[0, 1, 19, 1, 0, 0, 0, 0]), Some(24 + 8 + 20));
        let lzma2 = [LZMA2, 1, 0x16];
        for (check, expected) in [(0, true), (1, true), (4, false), (10, false)] {
            assert_eq!(readable(&stream(check, &lzma2)), expected, "check {check}");
        }
        let two = [stream(1, &lzma2), stream(1, &lzma2)].concat();
        assert!(!readable(&two));
        assert!(!readable(&[stream(1, &lzma2).as_slice(), &[0; 4]].concat()));
    }

    #[test]
    fn a_filter_before_the_compression_is_left_to_ours() {
        let mut with_x86 = stream(1, &[4, 0, LZMA2, 1, 0x16]);
        with_x86[13] = 1;
        assert!(!readable(&with_x86));
    }

    #[test]
    fn what_is_cut_or_damaged_is_left_to_ours() {
        let whole = stream(1, &[LZMA2, 1, 0x16]);
        for len in 12..whole.len() {
            assert!(!readable(&whole[..len]), "{len}");
        }
        let mut endless = whole;
        endless[33] = 0xff;
        assert!(!readable(&endless));
    }
}
