//! Indexes that were written whole: they answer what was put in. Then a few of their bytes change, and every question
//! still ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moddb::index::Index;
use moddb::index::writer::IndexWriter;
use modfile::wildcard::matches;

/// Entries, a question, and places with what stands there then.
type Input = (Vec<(Vec<u8>, Vec<u8>, u8)>, Vec<u8>, Vec<(u16, u8)>);

fuzz_target!(|input: Input| {
    let (entries, question, changes) = input;
    let mut writer = IndexWriter::default();
    let mut expected = Vec::new();
    for (key, value, priority) in &entries {
        if writer.insert(key.as_slice(), value, u32::from(*priority)).is_ok() {
            expected.push((key.clone(), u32::from(*priority), value.clone()));
        }
    }
    let mut bytes = writer.finish().expect("it is small");
    let index = Index::new(bytes.as_slice()).expect("it was written whole");
    let found = |found: Vec<moddb::index::Value>| {
        let mut found: Vec<_> = found.into_iter().map(|value| (value.priority, value.text)).collect();
        found.sort();
        found
    };
    let of = |wanted: &dyn Fn(&[u8]) -> bool| {
        let wanted = expected.iter().filter(|(key, ..)| wanted(key));
        let mut values: Vec<_> = wanted.map(|(_, priority, text)| (*priority, text.clone())).collect();
        values.sort();
        values
    };
    assert_eq!(found(index.find_all(&question).expect("sound")), of(&|key| key == question));
    let is_special = |text: &[u8]| text.iter().any(|byte| b"*?[\\".contains(byte));
    // A backslash before the first wildcard stands for itself in an index; nothing else differs from the shell.
    if !is_special(&question) && !expected.iter().any(|(key, ..)| key.contains(&b'\\')) {
        let answer = of(&|key| if is_special(key) { matches(key, &question) } else { key == question });
        assert_eq!(found(index.search(&question).expect("sound")), answer);
    }
    let mut listed: Vec<_> = index.entries().expect("sound").into_iter().map(|entry| (entry.key, entry.value.priority, entry.value.text)).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    let len = bytes.len();
    for &(place, byte) in &changes {
        bytes[usize::from(place) % len] = byte;
    }
    let Ok(index) = Index::new(bytes.as_slice()) else { return };
    let _ = (index.find(&question), index.find_all(&question), index.search(&question), index.entries());
});
