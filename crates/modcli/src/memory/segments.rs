//! Where the allocator has its memory from: the kernel, by the segment.
//!
//! The kernel gives memory page by page, when it is first touched, which takes longer than most of what is done with it.
//! A run that needs many megabytes asks for huge pages: one step then gives as much as five hundred. Where there are
//! none it gets small ones as ever.

#![allow(unsafe_code, reason = "an allocator hands out pointers; these are of the kernel's mappings")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Allocator;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap};

/// The size of a huge page on most machines. On others a segment is as large.
const HUGE: usize = 2 << 20;

static EXPECTS_MUCH: AtomicBool = AtomicBool::new(false);

pub(super) fn expect_much() {
    EXPECTS_MUCH.store(true, Ordering::Relaxed);
}

/// Mappings of the kernel.
pub struct Segments;

// SAFETY: each piece of memory is a private mapping of its own, and what is done with one is what the kernel said.
unsafe impl Allocator for Segments {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let expects_much = EXPECTS_MUCH.load(Ordering::Relaxed);
        let Some(size) = size.checked_next_multiple_of(if expects_much { HUGE } else { 1 }) else {
            return (null_mut(), 0, 0);
        };
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping, at a place that the kernel chooses.
        match unsafe { mmap_anonymous(null_mut(), size, protection, flags) } {
            Ok(start) => {
                if expects_much {
                    // SAFETY: the mapping has just been made. Whether this is heeded does not matter.
                    let _ = unsafe { madvise(start, size, Advice::LinuxHugepage) };
                }
                (start.cast(), size, 0)
            }
            Err(_) => (null_mut(), 0, 0),
        }
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
