//! Settings and records as the tools write them: they come back as they were, whatever they say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modstate::settings::{Document, Header, Key};
use modstate::{BootId, BootTime, Identity, Record, RecordedRole};

/// Settings; the lines that a person wrote; a record.
type Input = (Vec<(bool, Vec<u8>, Vec<u8>)>, Vec<u8>, (Vec<u8>, u64, u64));

/// Whether a value can be saved: text of one line.
fn is_text(value: &[u8]) -> bool {
    value.len() <= 4096 && std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control))
}

fuzz_target!(|input: Input| {
    let (settings, lines, (request, inode, loaded)) = input;
    let mut document = Document::parse(&lines);
    for (is_sysctl, name, value) in &settings {
        let prefix: &[u8] = if *is_sysctl { b"sysctl/" } else { b"parameters/" };
        let Some(key) = Key::parse(&[prefix, name].concat()).filter(|_| is_text(value)) else { continue };
        document.set(&key, value);
        assert_eq!(document.value(&key), Some(value.as_slice()));
    }
    let text = document.format(&Header { release: b"6.1.0".to_vec(), time: loaded });
    let again = Document::parse(&text);
    assert!(again.settings().eq(document.settings()), "{}", text.escape_ascii());
    let boot = BootId::parse(b"01234567-89ab-cdef-0123-456789abcdef").expect("an identity");
    let identity = Identity { inode, boot };
    let record = Record { request, role: RecordedRole::Target, loaded: BootTime(loaded), identity };
    if let Ok(again) = Record::parse(&record.format()) {
        assert_eq!((again.loaded, &again.identity), (record.loaded, &record.identity));
    }
    let pin = modstate::pin::format(&record.identity);
    assert_eq!(modstate::pin::parse(&pin).ok(), Some(record.identity));
});
