//! Reads all module files, several at a time; the result does not depend on how many.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use modfile::info::{self, Reading, Workspace};

use crate::scan::Found;

/// Files that a thread takes at a time: enough that the shared counter does not matter.
const BATCH: usize = 16;

/// Reads every file, in the order of `found`.
#[must_use]
pub fn read_all(found: &[Found], jobs: Option<NonZero<usize>>) -> Vec<Reading> {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads = jobs.map_or_else(processors, NonZero::get).min(found.len().div_ceil(BATCH)).max(1);
    if threads == 1 {
        let mut workspace = Workspace::default();
        return found.iter().map(|module| read_one(&module.file, &mut workspace)).collect();
    }
    let next = AtomicUsize::new(0);
    let readings = Mutex::new(Vec::with_capacity(found.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let own = read_batches(found, &next);
                readings.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
            });
        }
    });
    let mut readings = readings.into_inner().unwrap_or_else(PoisonError::into_inner);
    readings.sort_unstable_by_key(|&(place, _)| place);
    readings.into_iter().map(|(_, reading)| reading).collect()
}

fn read_batches(found: &[Found], next: &AtomicUsize) -> Vec<(usize, Reading)> {
    let mut workspace = Workspace::default();
    let mut own = Vec::new();
    loop {
        let start = next.fetch_add(BATCH, Ordering::Relaxed);
        let modules = found.iter().enumerate().skip(start).take(BATCH);
        if modules.len() == 0 {
            return own;
        }
        own.extend(modules.map(|(place, module)| (place, read_one(&module.file, &mut workspace))));
    }
}

fn read_one(file: &Path, workspace: &mut Workspace) -> Reading {
    info::read(file, workspace)
}
