//! Files that the tools keep of modules, of any bytes: saved settings, records of loading, pins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modstate::settings::Document;

fuzz_target!(|text: &[u8]| {
    let document = Document::parse(text);
    for (key, _) in document.settings() {
        assert!(document.value(key).is_some(), "{key:?}");
    }
    let _ = document.bad_lines().count();
    if let Ok(record) = modstate::Record::parse(text) {
        assert_eq!(modstate::Record::parse(&record.format()).ok(), Some(record));
    }
    let _ = modstate::pin::parse(text);
});
