//! An index of any bytes: every question is answered or refused, in bounded time.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use moddb::index::Index;
use moddb::index::Source;

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (key, bytes) = input;
    let mut whole = b"\xb0\x07\xf4\x57\0\x02\0\x01".to_vec();
    whole.extend(&bytes);
    for bytes in [bytes, whole] {
        let Ok(index) = Index::new(Bytes(&bytes)) else { continue };
        let found = index.find_all(&key);
        let _ = index.find(&key);
        let matching = index.search(&key);
        // Plain text matches at least itself.
        if let (Ok(found), Ok(matching)) = (found, matching) {
            assert!(found.iter().all(|value| matching.contains(value)) || key.iter().any(|&byte| modfile::wildcard::is_wild(byte)));
        }
        let _ = index.entries();
    }
});
