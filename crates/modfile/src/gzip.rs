//! The frame of gzip files, by RFC 1952. `flate2` inflates what is in it; the library's own reader of frames would
//! bring 16 kB of tables for their checksum alone.

use crate::checksum::crc32;

/// What begins a member: two magic bytes and the only method, deflate.
const BEGINNING: [u8; 3] = [0x1F, 0x8B, 8];
/// The length of what every header has.
const FIXED: usize = 10;

/// Flags of a header (section 2.3.1), and those that must not be set.
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xE0;

/// Whether a member, or a damaged one, begins here.
pub(crate) fn begins_member(bytes: &[u8]) -> bool {
    bytes.starts_with(&BEGINNING[..2])
}

/// What follows the header of a member; `None` if it does not begin with one.
pub(crate) fn body(member: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = member.split_at_checked(FIXED)?;
    let flags = *header.get(BEGINNING.len())?;
    if !header.starts_with(&BEGINNING) || flags & RESERVED != 0 {
        return None;
    }
    if flags & HAS_EXTRA != 0 {
        let (len, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        let header = member.get(..member.len() - rest.len())?;
        let (checksum, behind) = rest.split_first_chunk()?;
        if u32::from(u16::from_le_bytes(*checksum)) != crc32(header, 0) & 0xFFFF {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

/// What is behind the trailer of a member, and whether the trailer describes what the member holds; `None` if there
/// is no trailer.
pub(crate) fn behind_trailer<'a>(rest: &'a [u8], plain: &[u8]) -> Option<(&'a [u8], bool)> {
    let (checksum, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let is_of_that_len = u64::from(u32::from_le_bytes(*len)) == plain.len() as u64 & u64::from(u32::MAX);
    Some((rest, is_of_that_len && u32::from_le_bytes(*checksum) == crc32(plain, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_may_have_any_of_its_fields() {
        let header = |flags: u8| {
            let mut header = vec![0x1F, 0x8B, 8, flags, 1, 2, 3, 4, 0, 3];
            for (flag, field) in [(HAS_EXTRA, &b"\x03\0abc"[..]), (HAS_NAME, b"a.ko\0"), (HAS_COMMENT, b"\0")]
            {
                if flags & flag != 0 {
                    header.extend(field);
                }
            }
            if flags & HAS_CHECKSUM != 0 {
                let checksum = crc32(&header, 0).to_le_bytes();
                header.extend(&checksum[..2]);
            }
            header
        };
        for flags in 0..0x20 {
            let mut member = header(flags);
            let len = member.len();
            member.extend(b"body");
            assert_eq!(body(&member), Some(&b"body"[..]), "{flags:#x}");
            for len in 0..len {
                assert_eq!(body(&member[..len]), None, "{flags:#x} {len}");
            }
            if flags & HAS_CHECKSUM != 0 {
                member[len - 1] ^= 1;
                assert_eq!(body(&member), None, "{flags:#x}");
            }
        }
        for flags in [0x20, 0x40, 0x80] {
            assert_eq!(body(&header(flags)), None);
        }
        assert_eq!(body(&[0x1F, 0x8B, 7, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_trailer_tells_checksum_and_length() {
        let trailer = [&crc32(b"plain", 0).to_le_bytes()[..], &5_u32.to_le_bytes(), b"next"].concat();
        assert_eq!(behind_trailer(&trailer, b"plain"), Some((&b"next"[..], true)));
        assert_eq!(behind_trailer(&trailer, b"plaim"), Some((&b"next"[..], false)));
        assert_eq!(behind_trailer(&trailer[..7], b"plain"), None);
        let wrong_len = [&crc32(b"plain", 0).to_le_bytes()[..], &6_u32.to_le_bytes()].concat();
        assert_eq!(behind_trailer(&wrong_len, b"plain"), Some((&b""[..], false)));
    }
}
