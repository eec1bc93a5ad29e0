//! A cache of depmod's of any bytes, and one whose container is right while its entries are not: nothing comes of
//! damage, and what does come out goes in again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moddb::cache::{Cache, Entry, Writer};

/// Paths with the bytes of their entries.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Any bytes; modules and directories; and the bytes about the database.
type Input = (Vec<u8>, Entries, Entries, Vec<u8>);

fuzz_target!(|input: Input| {
    let (raw, modules, directories, database) = input;
    if let Ok(cache) = Cache::decode(&raw) {
        let _ = cache.entry(b"a").and_then(|remembered| remembered.info());
    }
    let mut body = Vec::new();
    for part in [part(&modules), part(&directories), database] {
        body.extend((part.len() as u64).to_le_bytes());
        body.extend(part);
    }
    // Magic bytes and version are the ones that are written.
    let mut bytes = Writer::default().finish();
    bytes.truncate(12);
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    let Ok(cache) = Cache::decode(&bytes) else { return };
    for (path, _) in &directories {
        let _ = cache.listing(path).map(|listing| listing.names.count());
    }
    for (path, _) in &modules {
        let Some(remembered) = cache.entry(path) else { continue };
        let Some(info) = remembered.info() else { continue };
        let (stamp, recorded, tail) = (remembered.stamp, remembered.recorded, remembered.tail);
        let mut writer = Writer::default();
        writer.module(&Entry { path, recorded, stamp, tail, info: &info });
        let bytes = writer.finish();
        let again = Cache::decode(&bytes).expect("what was written is read").entry(path).expect("the same path");
        assert!(again.says(&info));
        assert_eq!((again.stamp, again.recorded, again.tail), (stamp, recorded, tail));
    }
});

fn part(entries: &Entries) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in entries.iter().flat_map(|(path, entry)| [path, entry]) {
        bytes.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
        bytes.extend(text);
    }
    bytes
}
