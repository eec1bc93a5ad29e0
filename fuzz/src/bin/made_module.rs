//! Whole module files of every kind, made from strings and symbols: what they say comes back as it was put in. Then a
//! few of their bytes change, in headers and tables as well, and reading still ends, with the same result each time.
#![no_main]

use std::cell::RefCell;
use std::fs;

use fixtures::{ALL_KINDS, Compression, CrcStyle, Module, compress};
use libfuzzer_sys::fuzz_target;
use modfile::info::{self, Workspace};
use tempfile::NamedTempFile;

thread_local! {
    static PLACE: RefCell<Option<(NamedTempFile, Workspace)>> = const { RefCell::new(None) };
}

/// Which kind of file; strings with what they are; places and what stands there then.
type Input = (u8, Vec<(u8, Vec<u8>)>, Vec<(u16, u8)>);

fuzz_target!(|input: Input| {
    let (shape, strings, changes) = input;
    let kind = ALL_KINDS[usize::from(shape) % ALL_KINDS.len()];
    let style = if shape & 0x40 == 0 { CrcStyle::Absolute } else { CrcStyle::Section };
    let mut module = Module::new("made").kind(kind).crc_style(style);
    let [mut aliases, mut softdeps, mut weakdeps, mut exports, mut needs] = [const { Vec::new() }; 5];
    for (what, text) in &strings {
        let text: Vec<u8> = text.iter().copied().filter(|&byte| byte != 0).take(200).collect();
        match what % 6 {
            0 => {
                module = module.info([b"alias=", text.as_slice()].concat());
                aliases.push(text);
            }
            1 => {
                module = module.info([b"softdep=", text.as_slice()].concat());
                softdeps.push(text);
            }
            2 => {
                module = module.info([b"weakdep=", text.as_slice()].concat());
                weakdeps.push(text);
            }
            3 if !text.is_empty() => {
                module = module.export(&text, 0x1234);
                exports.push(text);
            }
            4 if !text.is_empty() => {
                module = module.need(&text);
                needs.push(text);
            }
            _ => module = module.info(&text),
        }
    }
    let mut bytes = module.bytes();
    let len = bytes.len();
    for &(place, byte) in &changes {
        bytes[usize::from(place) % len] = byte;
    }
    if shape & 0x30 == 0x30 {
        bytes = compress(&bytes, Compression::Zstd).expect("compressed");
    }
    PLACE.with_borrow_mut(|place| {
        let (file, workspace) = place.get_or_insert_with(|| {
            let directory = if fs::exists("/dev/shm").unwrap_or(false) { "/dev/shm" } else { "/tmp" };
            (NamedTempFile::new_in(directory).expect("a temporary file"), Workspace::default())
        });
        fs::write(file.path(), &bytes).expect("written");
        let dirty = info::read(file.path(), workspace);
        let clean = info::read(file.path(), &mut Workspace::default());
        assert_eq!(dirty.info, clean.info, "what was read before shows");
        assert_eq!(dirty.error.is_some(), clean.error.is_some());
        // A string of its own may say an alias, too.
        let is_plain = !strings.iter().any(|(what, text)| what % 6 == 5 && text.contains(&b'='));
        if changes.is_empty() && is_plain {
            assert!(clean.error.is_none(), "{:?}", clean.error);
            assert!(clean.info.aliases().eq(aliases.iter().map(Vec::as_slice)));
            assert!(clean.info.softdeps().eq(softdeps.iter().map(Vec::as_slice)));
            assert!(clean.info.weakdeps().eq(weakdeps.iter().map(Vec::as_slice)));
            let sorted = |mut names: Vec<Vec<u8>>| {
                names.sort();
                names
            };
            let found = clean.info.exports().map(|export| export.name.to_vec()).collect();
            assert_eq!(sorted(found), sorted(exports));
            let found = clean.info.needs().map(|need| need.name.to_vec()).collect();
            assert_eq!(sorted(found), sorted(needs));
        }
    });
});
