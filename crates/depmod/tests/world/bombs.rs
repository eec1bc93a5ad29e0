//! Small files that claim to be large.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test speaks")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{Compression, compress};

/// A file of a given number of MiB of zeros after some first bytes, packed in pieces of 16 MiB.
pub fn bomb(start: &[u8], how: Compression, mebibytes: usize) -> Vec<u8> {
    let mut piece = vec![0; 16 << 20];
    let zeros = compress(&piece, how).unwrap();
    piece.splice(..start.len(), start.iter().copied());
    let mut packed = compress(&piece, how).unwrap();
    packed.extend(zeros.repeat(mebibytes / 16 - 1));
    packed
}

/// A file whose sections all claim the same 15 MiB.
pub fn overlapping(path: &Path) {
    const NAMES: [&str; 8] = [
        ".symtab",
        ".strtab",
        ".modinfo",
        "__versions",
        "__ksymtab_strings",
        "__version_ext_names",
        "__version_ext_crcs",
        ".shstrtab",
    ];
    const SHARED: u64 = 15 << 20;
    let mut names = vec![0];
    let mut table = vec![0; 64];
    for name in NAMES {
        let mut header = [0; 64];
        let (offset, len) = if name == ".shstrtab" { (64 + SHARED, 128) } else { (64, SHARED / 192 * 192) };
        header
            .iter_mut()
            .zip(u32::try_from(names.len()).unwrap().to_le_bytes())
            .for_each(|(to, from)| *to = from);
        header.iter_mut().skip(24).zip(offset.to_le_bytes()).for_each(|(to, from)| *to = from);
        header.iter_mut().skip(32).zip(len.to_le_bytes()).for_each(|(to, from)| *to = from);
        table.extend(header);
        names.extend(name.bytes().chain([0]));
    }
    names.resize(128, 0);
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(40, 0);
    header.extend((64 + SHARED + 128).to_le_bytes());
    header.resize(58, 0);
    header.extend(64_u16.to_le_bytes());
    header.extend(9_u16.to_le_bytes());
    header.extend(8_u16.to_le_bytes());
    let file = File::create(path).unwrap();
    file.write_all_at(&header, 0).unwrap();
    file.write_all_at(&names, 64 + SHARED).unwrap();
    file.write_all_at(&table, 64 + SHARED + 128).unwrap();
}
