//! modprobe.d and modules.softdep together, made of words that mean something: what stands beside the modules adds
//! soft and weak dependencies and nothing else, and takes nothing away.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use moddb::config::Config;
use tempfile::TempDir;

thread_local! {
    static PLACE: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

const WORDS: [&[u8]; 20] = [
    b"install", b"remove", b"alias", b"options", b"blacklist", b"softdep", b"weakdep", b"include", b"pre:", b"post:", b" ",
    b"\t", b"\n", b"\\\n", b"\\", b"*", b"a", b"b-c", b"#", b"\0",
];

/// Words by number, and bytes in between.
fn text(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let words = parts.iter().map(|(number, bytes)| {
        let word = WORDS[usize::from(*number) % WORDS.len()];
        let blank: &[u8] = if number & 0x80 == 0 { b" " } else { b"" };
        [word, blank, bytes.as_slice()].concat()
    });
    words.collect::<Vec<_>>().concat()
}

type Parts = Vec<(u8, Vec<u8>)>;

fuzz_target!(|input: (Parts, Parts)| {
    let [own, beside] = [&input.0, &input.1].map(|parts| text(parts));
    PLACE.with_borrow_mut(|place| {
        let place = place.get_or_insert_with(|| {
            let directory = if fs::exists("/dev/shm").unwrap_or(false) { "/dev/shm" } else { "/tmp" };
            tempfile::tempdir_in(directory).expect("a temporary directory")
        });
        let [conf, made] = ["n.conf", "modules.softdep"].map(|name| place.path().join(name));
        fs::write(&conf, own).expect("written");
        fs::write(&made, beside).expect("written");
        let (alone, _) = Config::load(std::slice::from_ref(&conf), &[], None);
        let (mut both, _) = Config::load(std::slice::from_ref(&conf), std::slice::from_ref(&made), None);
        for own in &alone.softdeps {
            assert!(both.softdeps.contains(own));
        }
        for own in &alone.weakdeps {
            assert!(both.weakdeps.contains(own));
        }
        both.softdeps.clone_from(&alone.softdeps);
        both.weakdeps.clone_from(&alone.weakdeps);
        assert_eq!(both, alone, "what stands beside the modules is no configuration");
    });
});
