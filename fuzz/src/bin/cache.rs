//! A cache of depmod's of any bytes, and one whose container is right while its entries are not: nothing comes of
//! damage, and what does come out goes in again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moddb::cache::{Cache, Entry, encode};

/// Any bytes, and paths with the bytes of their entries.
type Input = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

fuzz_target!(|input: Input| {
    let (raw, entries) = input;
    if let Ok(cache) = Cache::decode(&raw) {
        let _ = cache.entry(b"a").and_then(|remembered| remembered.info());
    }
    let mut body = Vec::new();
    for (path, entry) in &entries {
        for part in [path, entry] {
            body.extend(u32::try_from(part.len()).expect("short").to_le_bytes());
            body.extend(part);
        }
    }
    let mut bytes = b"moddbC\r\n\x02\0\0\0".to_vec();
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    let cache = Cache::decode(&bytes).expect("the container is right");
    for (path, _) in &entries {
        let Some(remembered) = cache.entry(path) else { continue };
        let Some(info) = remembered.info() else { continue };
        let entry = Entry { path, stamp: remembered.stamp, tail: remembered.tail, info: &info };
        let again = encode([entry].into_iter());
        let again = Cache::decode(&again).expect("what was written is read").entry(path);
        assert_eq!(again, Some(remembered));
    }
});
