//! A module file of any bytes: reading it ends, and what it gives is bounded by what it holds.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use modfile::info::{self, Workspace};
use tempfile::NamedTempFile;

thread_local! {
    static PLACE: RefCell<Option<(NamedTempFile, Workspace)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    PLACE.with_borrow_mut(|place| {
        let (file, workspace) = place.get_or_insert_with(|| {
            let directory = if fs::exists("/dev/shm").unwrap_or(false) { "/dev/shm" } else { "/tmp" };
            (NamedTempFile::new_in(directory).expect("a temporary file"), Workspace::default())
        });
        fs::write(file.path(), bytes).expect("written");
        let dirty = info::read(file.path(), workspace);
        let clean = info::read(file.path(), &mut Workspace::default());
        assert_eq!(dirty.info, clean.info, "what was read before shows");
        assert_eq!(dirty.error.is_some(), clean.error.is_some());
    });
});
