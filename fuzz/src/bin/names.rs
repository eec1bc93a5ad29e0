//! Names and patterns of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modfile::ModuleName;
use modfile::name::{normalize_alias, suffix_len};
use modfile::wildcard::matches;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (pattern, text) = input;
    let _ = matches(&pattern, &text);
    if let Ok(normal) = normalize_alias(&pattern) {
        assert_eq!(normalize_alias(&normal).ok(), Some(normal.clone()), "normal twice");
    }
    let name = ModuleName::of_path(&text);
    assert_eq!(ModuleName::new(name.as_bytes()), name);
    let _ = suffix_len(&text);
    let _ = moddb::builtin::names(&text).count();
    let _ = moddb::builtin::aliases(&text).count();
});
