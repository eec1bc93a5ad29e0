use std::io::Write;

use super::*;

const LIMIT: usize = 1 << 20;

fn packed(format: Compression, plain: &[u8]) -> Vec<u8> {
    match format {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::bulk::compress(plain, 1).unwrap(),
    }
}

fn decompress(
    format: Compression,
    packed: &[u8],
    limit: usize,
    plain: &mut Vec<u8>,
) -> Result<(), DecompressError> {
    Decompressor::default().decompress(format, packed, limit, plain)
}

const FORMATS: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

#[test]
fn every_format_is_recognised_by_its_first_bytes_and_read_back() {
    let plain: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).take(LIMIT).collect();
    let mut out = Vec::new();
    for format in FORMATS {
        let packed = packed(format, &plain);
        assert_eq!(Compression::detect(&packed), Some(format));
        decompress(format, &packed, LIMIT, &mut out).unwrap();
        assert!(out == plain, "{format}");
    }
    assert_eq!(Compression::detect(b"\x7fELF\x02\x01"), None);
}

#[test]
fn a_buffer_is_no_larger_than_what_a_file_holds() {
    let hashed = |number: u32| number.wrapping_mul(0x9E37_79B1).to_le_bytes();
    let plain: Vec<u8> = (0..1_500_000).flat_map(hashed).collect();
    for format in [Compression::Gzip, Compression::Xz] {
        let mut out = Vec::new();
        decompress(format, &packed(format, &plain), 16 << 20, &mut out).unwrap();
        assert_eq!(out.len(), plain.len());
        assert!(out.capacity() <= plain.len() + 64, "{format}: {}", out.capacity());
    }
}

#[test]
fn concatenated_streams_are_one_module() {
    let mut out = Vec::new();
    for format in FORMATS {
        let two = [packed(format, b"first "), packed(format, b"second")].concat();
        decompress(format, &two, LIMIT, &mut out).unwrap();
        assert_eq!(out, b"first second", "{format}");
    }
}

#[test]
fn what_follows_the_last_member_of_a_gzip_file_is_passed_over_unless_it_begins_another() {
    let member = packed(Compression::Gzip, b"module");
    let mut out = Vec::new();
    for behind in [&b"\0"[..], &[0; 512], b"text", b"\x1f", b"\x8b\x1f"] {
        decompress(Compression::Gzip, &[&member, behind].concat(), LIMIT, &mut out).unwrap();
        assert_eq!(out, b"module", "{behind:?}");
    }
    for behind in [&b"\x1f\x8b"[..], &member[..member.len() - 1], b"\x1f\x8b\x07"] {
        let two = [&member, behind].concat();
        assert!(decompress(Compression::Gzip, &two, LIMIT, &mut out).is_err(), "{behind:?}");
    }
}

#[test]
fn empty_members_of_a_gzip_file_take_no_more_time_where_it_says_that_it_holds_much() {
    let module = vec![7; 30 << 20];
    let empty = packed(Compression::Gzip, b"");
    // Together they have reason to say so. To make the room anew for each would take an hour.
    let packed =
        [empty.repeat(50_000), packed(Compression::Gzip, &[b"\x7FELF", &module[..]].concat())].concat();
    let mut out = Vec::new();
    decompress(Compression::Gzip, &packed, 64 << 20, &mut out).unwrap();
    assert!(out.ends_with(&module));
}

#[test]
fn a_zstd_frame_without_its_size_is_read() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(b"no size is stored").unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(zstd::zstd_safe::get_frame_content_size(&packed).unwrap(), None);
    let mut out = Vec::new();
    decompress(Compression::Zstd, &packed, LIMIT, &mut out).unwrap();
    assert_eq!(out, b"no size is stored");
}

#[test]
fn more_than_the_limit_is_refused_and_exactly_the_limit_is_not() {
    let mut out = Vec::new();
    for format in FORMATS {
        let bomb = packed(format, &vec![0; LIMIT + 1]);
        let error = decompress(format, &bomb, LIMIT, &mut out).unwrap_err();
        assert!(matches!(error, DecompressError::TooLarge { .. }), "{format}: {error}");
        decompress(format, &packed(format, &vec![0; LIMIT]), LIMIT, &mut out).unwrap();
        assert_eq!(out.len(), LIMIT, "{format}");
    }
}

#[test]
fn a_large_file_that_does_not_begin_as_a_module_is_not_read_to_its_end() {
    let mut out = Vec::new();
    let zeros = vec![0; 2 * PROBE];
    let module = [b"\x7FELF".as_slice(), &zeros].concat();
    for format in FORMATS {
        let error = decompress(format, &packed(format, &zeros), 4 * PROBE, &mut out).unwrap_err();
        assert!(matches!(error, DecompressError::NotElf { .. }), "{format}: {error}");
        assert!(out.len() < 2 * PROBE, "{format}: {}", out.len());
        decompress(format, &packed(format, &module), 4 * PROBE, &mut out).unwrap();
        assert!(out == module, "{format}");
    }
}

#[test]
fn a_decompressor_that_failed_or_saw_other_formats_is_as_good_as_a_new_one() {
    let mut used = Decompressor::default();
    let mut out = Vec::new();
    for round in 0..3_u8 {
        for format in FORMATS {
            let packed = packed(format, &[round; 1000]);
            assert!(used.decompress(format, &packed[..packed.len() - 2], LIMIT, &mut out).is_err());
            used.decompress(format, &packed, LIMIT, &mut out).unwrap();
            assert_eq!(out, [round; 1000], "{format}");
        }
    }
}

#[test]
fn a_truncated_or_damaged_file_is_an_error_at_every_length() {
    let plain: Vec<u8> = (0..2000_u16).flat_map(u16::to_le_bytes).collect();
    let mut out = Vec::new();
    for format in FORMATS {
        let packed = packed(format, &plain);
        for len in 6..packed.len() {
            assert!(decompress(format, &packed[..len], LIMIT, &mut out).is_err(), "{format} {len}");
        }
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 16].fill(0x55);
        let result = decompress(format, &damaged, LIMIT, &mut out);
        // zstd frames need not carry a checksum: damage may pass, but never grows the result.
        assert!(result.is_err() || out.len() <= plain.len(), "{format}");
    }
}
