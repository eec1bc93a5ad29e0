//! Where the allocator has its memory from: the kernel, by the segment.
//!
//! The kernel gives memory page by page, when it is first touched, which takes longer than most of what is done with it.
//! A run that needs many megabytes asks for huge pages: one step then gives as much as five hundred. Where there are
//! none it gets small ones as ever.
//!
//! A huge page is cleared when it is first touched, which takes a third of a millisecond. The allocator would do that
//! under its lock, and the other threads would wait. So it is told that there is no memory, and whoever asked
//! [fetches](fetch) a segment without the lock and asks again.

#![allow(unsafe_code, reason = "an allocator hands out pointers; these are of the kernel's mappings")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::Allocator;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap};

/// The size of a huge page on most machines. On others a segment is as large.
const HUGE: usize = 2 << 20;

static EXPECTS_MUCH: AtomicBool = AtomicBool::new(false);

pub(super) fn expect_much() {
    EXPECTS_MUCH.store(true, Ordering::Relaxed);
}

/// What passes between the allocator and those who fetch segments for it.
struct Exchange {
    /// The largest segment that the allocator was refused since one was fetched.
    wanted: usize,
    /// A segment that was fetched; null for none.
    start: AtomicPtr<u8>,
    size: usize,
}

static EXCHANGE: Mutex<Exchange> =
    Mutex::new(Exchange { wanted: 0, start: AtomicPtr::new(null_mut()), size: 0 });

/// Nothing panics while it is locked.
fn exchange() -> MutexGuard<'static, Exchange> {
    EXCHANGE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Exchange {
    /// Takes the segment that was fetched, if it has so many bytes.
    fn take(&mut self, size: usize) -> Option<(*mut u8, usize)> {
        let start = self.start.get_mut();
        if start.is_null() || self.size < size {
            return None;
        }
        Some((std::mem::replace(start, null_mut()), self.size))
    }
}

/// Fetches a segment as large as the allocator was refused. Returns whether there is one. One thread does it at a time.
pub(super) fn fetch() -> bool {
    let size = std::mem::take(&mut exchange().wanted);
    if size == 0 {
        return false;
    }
    let Some(start) = mapped(size) else { return false };
    // SAFETY: the mapping has just been made. Whether this is heeded does not matter.
    let _ = unsafe { madvise(start.cast(), size, Advice::LinuxHugepage) };
    // SAFETY: it is there, and nobody knows of it yet.
    unsafe { start.write_volatile(0) };
    let mut exchange = exchange();
    if let Some((small, size)) = exchange.take(0) {
        // SAFETY: a mapping that nobody has taken.
        let _ = unsafe { munmap(small.cast(), size) };
    }
    (exchange.start, exchange.size) = (AtomicPtr::new(start), size);
    true
}

/// A new mapping.
fn mapped(size: usize) -> Option<*mut u8> {
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: it is at a place that the kernel chooses.
    unsafe { mmap_anonymous(null_mut(), size, protection, flags) }.ok().map(<*mut _>::cast)
}

/// Mappings of the kernel.
pub struct Segments;

// SAFETY: each piece of memory is a private mapping of its own, and what is done with one is what the kernel said.
unsafe impl Allocator for Segments {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let segment = if EXPECTS_MUCH.load(Ordering::Relaxed) {
            size.checked_next_multiple_of(HUGE).and_then(|size| {
                let mut exchange = exchange();
                let fetched = exchange.take(size);
                if fetched.is_none() {
                    exchange.wanted = exchange.wanted.max(size);
                }
                fetched
            })
        } else {
            mapped(size).map(|start| (start, size))
        };
        segment.map_or((null_mut(), 0, 0), |(start, size)| (start, size, 0))
    }

    fn remap(&self, memory: *mut u8, old_size: usize, new_size: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { MremapFlags::MAYMOVE } else { MremapFlags::empty() };
        // SAFETY: a mapping that `alloc` gave.
        unsafe { mremap(memory.cast(), old_size, new_size, flags) }.map_or(null_mut(), <*mut _>::cast)
    }

    fn free_part(&self, memory: *mut u8, old_size: usize, new_size: usize) -> bool {
        // SAFETY: the end of a mapping that `alloc` gave, of which nothing is used.
        unsafe { munmap(memory.add(new_size).cast(), old_size - new_size) }.is_ok()
    }

    fn free(&self, memory: *mut u8, size: usize) -> bool {
        // SAFETY: a mapping that `alloc` gave, of which nothing is used.
        unsafe { munmap(memory.cast(), size) }.is_ok()
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        rustix::param::page_size()
    }
}
