//! How large a compressed file says that its contents are. What it says may be wrong.

/// The size of what a gzip file holds, modulo 2^32, by its last four bytes (RFC 1952).
pub(crate) fn of_gzip(packed: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*packed.last_chunk()?)).ok()
}

/// The size of what an xz file of one stream holds, by the index at its end (sections 2.1.2 and 4 of the format).
pub(crate) fn of_xz(packed: &[u8]) -> Option<usize> {
    const FOOTER: usize = 12;
    let (rest, footer) = packed.split_at_checked(packed.len().checked_sub(FOOTER)?)?;
    let &[_, _, _, _, a, b, c, d, _, _, b'Y', b'Z'] = footer else { return None };
    let index_len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?.checked_add(1)?.checked_mul(4)?;
    let mut index = rest.get(rest.len().checked_sub(index_len)?..)?.strip_prefix(&[0])?;
    let records = multibyte(&mut index)?;
    let mut size: u64 = 0;
    for _ in 0..records {
        let _packed_size = multibyte(&mut index)?;
        size = size.checked_add(multibyte(&mut index)?)?;
    }
    usize::try_from(size).ok()
}

/// A number of seven bits in each byte, the lowest first; all but the last byte have the eighth bit set.
fn multibyte(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use fixtures::Compression;

    use super::*;

    #[test]
    fn the_size_that_a_file_says_is_what_it_holds() {
        for len in [0, 1, 127, 128, 16_384, 3_000_000] {
            let plain = vec![7; len];
            let packed = |how| fixtures::compress(&plain, how).unwrap();
            assert_eq!(of_xz(&packed(Compression::Xz)), Some(len));
            assert_eq!(of_gzip(&packed(Compression::Gzip)), Some(len));
        }
        let endless_number = b"\0\x80\x80\x80\x80\0\0\0\0\x01\0\0\0\0\0YZ";
        for damaged in [&b""[..], b"YZ", &[0xFF; 40], endless_number] {
            assert_eq!(of_xz(damaged), None);
        }
    }
}
