//! The checksums of compressed files: that of gzip (RFC 1952, section 8), which xz has as well, and the longer one that
//! only xz has (section 6 of its format). Tables are small: they are in each program that reads modules.

/// What a byte contributes, and what it does when one to three bytes follow.
static TABLES: [[u32; 256]; 4] = tables();
static LONG_TABLE: [u64; 256] = table(0xC96C_5795_D787_0F42);

/// The checksum of bytes that follow others whose checksum is known; 0 is that of no bytes.
#[must_use]
pub fn crc32(bytes: &[u8], before: u32) -> u32 {
    let [last, third, second, first] = &TABLES;
    // Four bytes at a time.
    let (words, rest) = bytes.as_chunks();
    let crc = words.iter().fold(!before, |crc, &word| {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes(word)).to_le_bytes();
        at(first, a) ^ at(second, b) ^ at(third, c) ^ at(last, d)
    });
    !rest.iter().fold(crc, |crc, &byte| at(last, byte ^ crc.to_le_bytes()[0]) ^ crc >> 8)
}

/// The checksum of 64 bits, as [`crc32`].
#[must_use]
pub fn crc64(bytes: &[u8], before: u64) -> u64 {
    !bytes.iter().fold(!before, |crc, &byte| at(&LONG_TABLE, byte ^ crc.to_le_bytes()[0]) ^ crc >> 8)
}

fn at<T: Copy + Default>(table: &[T; 256], byte: u8) -> T {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

#[allow(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const fn table(polynomial: u64) -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "as of `table`; a short one has 32 bits"
)]
const fn tables() -> [[u32; 256]; 4] {
    let short = table(0xEDB8_8320);
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = short[byte] as u32;
        let mut follow = 0;
        while follow < 4 {
            tables[follow][byte] = crc;
            crc = short[(crc & 0xFF) as usize] as u32 ^ crc >> 8;
            follow += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_formats() {
        assert_eq!(crc32(b"123456789", 0), 0xCBF4_3926);
        assert_eq!(crc64(b"123456789", 0), 0x995D_C9BB_DF19_39FA);
        assert_eq!((crc32(b"", 7), crc64(b"", 7)), (7, 7));
    }

    #[test]
    fn pieces_of_any_length_have_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut expected = flate2::Crc::new();
        expected.update(&bytes);
        let long = crc64(&bytes, 0);
        for len in 0..bytes.len() {
            let (one, other) = bytes.split_at(len);
            assert_eq!(crc32(other, crc32(one, 0)), expected.sum(), "{len}");
            assert_eq!(crc64(other, crc64(one, 0)), long, "{len}");
        }
    }
}
