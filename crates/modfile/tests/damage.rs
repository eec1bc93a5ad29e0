//! Damaged and hostile module files: whatever the bytes are, reading them ends, and what it gives is bounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed expectation is how a test speaks")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use fixtures::{ALL_KINDS, Compression, CrcStyle, Module, compress};
use modfile::ReadError;
use modfile::info::{Reading, Workspace, read};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A place for one file after the other, and the memory for reading them, dirty from the last one.
struct Reader {
    _temporary: tempfile::TempDir,
    path: PathBuf,
    workspace: Workspace,
}

impl Reader {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("module.ko");
        Self { _temporary: temporary, path, workspace: Workspace::default() }
    }

    fn read(&mut self, bytes: &[u8]) -> Reading {
        // A file that is replaced in place is written to disk at once by some file systems.
        let _ = fs::remove_file(&self.path);
        fs::write(&self.path, bytes).unwrap();
        self.again()
    }

    fn again(&mut self) -> Reading {
        read(&self.path, &mut self.workspace)
    }
}

/// A module with something of everything that is read.
fn samples() -> Vec<Module> {
    let mut samples = Vec::new();
    for kind in ALL_KINDS {
        for style in [CrcStyle::Absolute, CrcStyle::Section, CrcStyle::None] {
            let module = Module::new("sample")
                .kind(kind)
                .crc_style(style)
                .alias("pci:v00008086d*")
                .info("softdep=pre: other")
                .info("weakdep=third")
                .export("sample_register", 0x1122_3344)
                .export("sample_unregister", 0x5566_7788)
                .version("module_layout", 7)
                .versioned_need("printk", 0x0102_0304)
                .weak_need("maybe");
            samples.push(if style == CrcStyle::None { module.extended_versions() } else { module });
        }
    }
    samples
}

/// How many strings and bytes a reading holds.
fn size(reading: &Reading) -> (usize, usize) {
    let info = &reading.info;
    let symbols = info.exports().map(|export| export.name).chain(info.needs().map(|need| need.name));
    let strings = symbols.chain(info.aliases()).chain(info.softdeps()).chain(info.weakdeps());
    strings.fold((0, 0), |(strings, bytes), string| (strings + 1, bytes + string.len()))
}

#[test]
fn a_module_cut_at_any_length_is_an_error_or_a_smaller_module() {
    let mut reader = Reader::new();
    for module in samples() {
        let plain = module.bytes();
        let whole = reader.read(&plain);
        assert!(whole.error.is_none(), "{module:?}: {:?}", whole.error);
        for how in [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let packed = compress(&plain, how).unwrap();
            for len in 0..packed.len() {
                let cut = reader.read(&packed[..len]);
                // The section table is at the end of the file.
                assert!(cut.error.is_some(), "{module:?} {how:?} cut at {len}");
                assert_eq!(size(&cut), (0, 0), "{module:?} {how:?} cut at {len}");
            }
        }
    }
}

/// Every number of the file's header and of its section headers, by offset and length.
fn numbers(plain: &[u8]) -> Vec<(usize, usize)> {
    let wide = plain[4] == 2;
    let mut places = vec![(4, 1), (5, 1), (16, 2), (18, 2)];
    let (header, table_at): (&[(usize, usize)], _) = if wide {
        (&[(40, 8), (52, 2), (58, 2), (60, 2), (62, 2)], 40)
    } else {
        (&[(32, 4), (40, 2), (46, 2), (48, 2), (50, 2)], 32)
    };
    places.extend(header);
    let field = &plain[table_at..table_at + if wide { 8 } else { 4 }];
    let little = plain[5] == 1;
    let table = field.iter().enumerate().fold(0, |sum, (at, &byte)| {
        let shift = if little { at } else { field.len() - 1 - at };
        sum | usize::from(byte) << (8 * shift)
    });
    let (entry, fields): (usize, &[(usize, usize)]) = if wide {
        (64, &[(0, 4), (4, 4), (24, 8), (32, 8)])
    } else {
        (40, &[(0, 4), (4, 4), (16, 4), (20, 4)])
    };
    for section in (table..plain.len()).step_by(entry) {
        places.extend(fields.iter().map(|&(at, len)| (section + at, len)));
    }
    places
}

#[test]
fn absurd_numbers_in_headers_are_errors_or_missing_sections() {
    let mut reader = Reader::new();
    let mut refused = 0;
    for module in samples() {
        let plain = module.bytes();
        for (at, len) in numbers(&plain) {
            let file_len = (plain.len() as u64).to_le_bytes();
            for value in [
                [0; 8],
                [1, 0, 0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0, 0, 1],
                [0xFF; 8],
                [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
                [0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
                file_len,
            ] {
                let mut damaged = plain.clone();
                for (place, byte) in damaged[at..at + len].iter_mut().zip(value) {
                    *place = byte;
                }
                let reading = reader.read(&damaged);
                refused += usize::from(reading.error.is_some());
                assert!(size(&reading).1 <= 4 * plain.len(), "{module:?} at {at}: {reading:?}");
            }
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

const MAGICS: [&[u8]; 5] =
    [b"\x7fELF\x02\x01", b"\x7fELF\x01\x02", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_of_a_module_may_be_others(
        number in 0..12_usize,
        how in select(&[Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd][..]),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        packed_too in any::<bool>(),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = samples()[number].bytes();
        let change = |bytes: &mut Vec<u8>| {
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        };
        if packed_too {
            bytes = compress(&bytes, how).unwrap();
            change(&mut bytes);
        } else {
            change(&mut bytes);
            bytes = compress(&bytes, how).unwrap();
        }
        let mut reader = Reader::new();
        let first = reader.read(&bytes);
        // Names may overlap, but there are only so many symbols.
        prop_assert!(size(&first).1 <= 1 << 20, "{first:?}");
        let second = reader.again();
        prop_assert_eq!(first.info, second.info, "a used workspace gives something else");
    }

    #[test]
    fn any_bytes_may_follow_the_magic_of_a_format(
        magic in select(&MAGICS[..]),
        rest in vec(any::<u8>(), 0..600),
    ) {
        let reading = Reader::new().read(&[magic, &rest].concat());
        prop_assert!(size(&reading).1 <= 1 << 20, "{reading:?}");
    }
}

/// A section of a hostile file: where it claims to be.
struct Claim {
    name: &'static str,
    offset: u64,
    len: u64,
}

/// Writes a 64-bit file of a given length that claims these sections; `content` lies behind the header at 64,
/// the section table at its end. Holes cost nothing.
fn claim(reader: &Reader, len: u64, claims: &[Claim], content: &[(u64, &[u8])]) {
    let mut names = vec![0];
    let mut table = vec![0; 64];
    let names_len = 1 + claims.iter().map(|claim| claim.name.len() as u64 + 1).sum::<u64>() + 10;
    let names_at = len - names_len - 64 * (claims.len() as u64 + 2);
    let own = Claim { name: ".shstrtab", offset: names_at, len: names_len };
    for claim in claims.iter().chain([&own]) {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&u32::try_from(names.len()).unwrap().to_le_bytes());
        header[24..32].copy_from_slice(&claim.offset.to_le_bytes());
        header[32..40].copy_from_slice(&claim.len.to_le_bytes());
        table.extend(header);
        names.extend(claim.name.bytes().chain([0]));
    }
    assert_eq!(names.len() as u64, names_len);
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[40..48].copy_from_slice(&(names_at + names_len).to_le_bytes());
    header[58..60].copy_from_slice(&64_u16.to_le_bytes());
    header[60..62].copy_from_slice(&u16::try_from(claims.len() + 2).unwrap().to_le_bytes());
    header[62..64].copy_from_slice(&u16::try_from(claims.len() + 1).unwrap().to_le_bytes());
    let file = File::create(&reader.path).unwrap();
    file.set_len(len).unwrap();
    for (at, bytes) in [(0, header.as_slice()), (names_at, &names), (names_at + names_len, &table)] {
        file.write_all_at(bytes, at).unwrap();
    }
    for (at, bytes) in content {
        file.write_all_at(bytes, *at).unwrap();
    }
}

fn symbol(name: u32, section: u16, value: u64) -> Vec<u8> {
    let mut entry = name.to_le_bytes().to_vec();
    entry.extend([0x10, 0]);
    entry.extend(section.to_le_bytes());
    entry.extend(value.to_le_bytes());
    entry.extend([0; 8]);
    entry
}

const MIB: u64 = 1 << 20;

#[test]
fn immense_sections_of_a_file_of_holes_are_refused() {
    const LEN: u64 = 1 << 40;
    let mut reader = Reader::new();
    for name in [".symtab", ".strtab", ".modinfo", "__versions", "__version_ext_names", "__ksymtab_strings"] {
        let mut claims: Vec<Claim> = [".symtab", ".strtab", "__version_ext_crcs"]
            .map(|name| Claim { name, offset: 64, len: 96 })
            .into();
        claims.retain(|claim| claim.name != name);
        // A whole number of symbols.
        claims.push(Claim { name, offset: 64, len: 504 * MIB });
        claim(&reader, LEN, &claims, &[]);
        let reading = reader.again();
        assert!(matches!(reading.error, Some(ReadError::Malformed(_))), "{name}: {:?}", reading.error);
        assert_eq!(size(&reading), (0, 0));
    }
}

#[test]
fn names_that_overlap_without_bound_are_refused() {
    const SYMBOLS: usize = 20_000;
    let mut reader = Reader::new();
    for prefix in [&b"__crc_"[..], b"needed"] {
        let name: Vec<u8> = [prefix, &vec![b'x'; 1 << 20]].concat();
        let section = if prefix == b"needed" { 0 } else { 0xFFF1 };
        let table = symbol(0, section, 0).repeat(SYMBOLS);
        let at = 64 + table.len() as u64;
        let claims = [
            Claim { name: ".symtab", offset: 64, len: table.len() as u64 },
            Claim { name: ".strtab", offset: at, len: name.len() as u64 + 1 },
        ];
        claim(&reader, at + 2 * MIB, &claims, &[(64, &table), (at, &name)]);
        let reading = reader.again();
        assert!(matches!(reading.error, Some(ReadError::Malformed(_))), "{:?}", reading.error);
        assert!(size(&reading).1 <= 70 << 20, "{:?}", size(&reading));
    }
}

#[test]
fn checksums_in_many_large_sections_are_found_without_reading_each_section_anew() {
    // Read as a whole for each symbol, these would be two hundred gigabytes.
    const SYMBOLS: u16 = 40_000;
    const SECTIONS: u16 = 9;
    let mut reader = Reader::new();
    let table: Vec<u8> =
        (0..SYMBOLS).flat_map(|number| symbol(1, 1 + number % SECTIONS, u64::from(number) * 4)).collect();
    let names_at = 64 + table.len() as u64;
    let sections_at = names_at + 16;
    let mut claims: Vec<Claim> = (0..u64::from(SECTIONS))
        .map(|number| Claim { name: "__kcrctab", offset: sections_at + number, len: MIB })
        .collect();
    claims.push(Claim { name: ".symtab", offset: 64, len: table.len() as u64 });
    claims.push(Claim { name: ".strtab", offset: names_at, len: 16 });
    let checksums: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
    let content =
        [(64, table.as_slice()), (names_at, b"\0__crc_some_name\0".as_slice()), (sections_at, &checksums)];
    claim(&reader, sections_at + 2 * MIB, &claims, &content);
    let reading = reader.again();
    assert!(reading.error.is_none(), "{:?}", reading.error);
    // The first entry stands for no symbol.
    assert_eq!(reading.info.exports().count(), usize::from(SYMBOLS) - 1);
    for (export, number) in reading.info.exports().zip(1_u16..) {
        let at = usize::from(number) * 4 + usize::from(number % SECTIONS);
        let expected = u32::from_le_bytes(checksums[at..at + 4].try_into().unwrap());
        assert_eq!(export.crc, u64::from(expected), "symbol {number}");
    }
}

#[test]
fn as_many_sections_as_a_file_can_have_are_looked_through() {
    let reader = Reader::new();
    let mut claims: Vec<Claim> =
        (0..65_000).map(|_| Claim { name: "x", offset: u64::MAX - 5, len: u64::MAX }).collect();
    claims.push(Claim { name: ".modinfo", offset: 64, len: 8 });
    claim(&reader, 16 * MIB, &claims, &[(64, b"alias=a\0")]);
    let mut reader = reader;
    let reading = reader.again();
    assert!(reading.error.is_none(), "{:?}", reading.error);
    assert_eq!(reading.info.aliases().collect::<Vec<_>>(), [b"a"]);
}
