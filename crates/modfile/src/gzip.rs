//! The frame of gzip files, by RFC 1952. `flate2` inflates what is in it; the library's own reader of frames would
//! bring 16 kB of tables for their checksum alone into each program and the C library.

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
        if u32::from(u16::from_le_bytes(*checksum)) != crc32(header) & 0xFFFF {
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
    Some((rest, is_of_that_len && u32::from_le_bytes(*checksum) == crc32(plain)))
}

/// The checksum of section 8, four bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let [last, third, second, first] = &TABLES;
    let at = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
    let (words, rest) = bytes.as_chunks();
    let crc = words.iter().fold(u32::MAX, |crc, &word| {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes(word)).to_le_bytes();
        at(first, a) ^ at(second, b) ^ at(third, c) ^ at(last, d)
    });
    !rest.iter().fold(crc, |crc, &byte| at(last, byte ^ crc.to_le_bytes()[0]) ^ crc >> 8)
}

/// What a byte contributes to the checksum, and what it does when one to three bytes follow.
static TABLES: [[u32; 256]; 4] = tables();

#[allow(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const fn tables() -> [[u32; 256]; 4] {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut follow = 1;
    while follow < 4 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[follow - 1][byte];
            tables[follow][byte] = tables[0][(crc & 0xFF) as usize] ^ crc >> 8;
            byte += 1;
        }
        follow += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_format_at_every_length() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for len in 0..bytes.len() {
            let mut expected = flate2::Crc::new();
            expected.update(&bytes[..len]);
            assert_eq!(crc32(&bytes[..len]), expected.sum(), "{len}");
        }
    }

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
                let checksum = crc32(&header).to_le_bytes();
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
        let trailer = [&crc32(b"plain").to_le_bytes()[..], &5_u32.to_le_bytes(), b"next"].concat();
        assert_eq!(behind_trailer(&trailer, b"plain"), Some((&b"next"[..], true)));
        assert_eq!(behind_trailer(&trailer, b"plaim"), Some((&b"next"[..], false)));
        assert_eq!(behind_trailer(&trailer[..7], b"plain"), None);
        let wrong_len = [&crc32(b"plain").to_le_bytes()[..], &6_u32.to_le_bytes()].concat();
        assert_eq!(behind_trailer(&wrong_len, b"plain"), Some((&b""[..], false)));
    }
}
