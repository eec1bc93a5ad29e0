//! What happens when there is no memory: the program says so and ends with status 1.
//!
//! Rust's own way is to abort, with words for programmers: a signal instead of a status, in the middle of a boot.

#![allow(unsafe_code, reason = "an allocator hands out pointers; this one hands on what another gave")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
#[cfg(target_env = "musl")]
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_env = "musl")]
use dlmalloc::Dlmalloc;

#[cfg(target_env = "musl")]
use self::segments::Segments;

#[cfg(target_env = "musl")]
mod for_c;
#[cfg(target_env = "musl")]
mod segments;

/// Says that this run needs memory by the megabyte: it is taken from the kernel in larger pieces.
pub fn expect_much() {
    #[cfg(target_env = "musl")]
    segments::expect_much();
}

unsafe extern "C" {
    fn write(descriptor: c_int, text: *const c_void, len: usize) -> isize;
    fn _exit(status: c_int) -> !;
}

/// The name before the message, once the program knows it.
static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Sets the name before the message.
pub(crate) fn name_program(name: &'static str) {
    // A second name in the same process changes nothing.
    let _ = PROGRAM.set(name);
}

/// The allocator of the tools, which run for a millisecond, or, with [`expect_much`], for a second.
#[cfg(target_env = "musl")]
pub type OfTools = OrEnd<Small>;
/// The allocator of the tools: the C library's is good enough.
#[cfg(not(target_env = "musl"))]
pub type OfTools = OrEnd<std::alloc::System>;

/// The allocator of the tools. There is one for a process, however often it is asked for.
#[must_use]
pub const fn of_tools() -> OfTools {
    #[cfg(target_env = "musl")]
    return OrEnd(Small);
    #[cfg(not(target_env = "musl"))]
    OrEnd(std::alloc::System)
}

#[cfg(target_env = "musl")]
static MEMORY: Locked = {
    let mut memory = Dlmalloc::new_with_allocator(Segments);
    // One request to the kernel serves a whole short run, one that reads a database, too; pages that are not touched
    // cost nothing.
    memory.set_granularity(1 << 19);
    Locked { memory: Mutex::new(memory), fetching: Mutex::new(()) }
};

/// dlmalloc's allocator: musl's own makes a system call for nearly every piece of memory.
#[cfg(target_env = "musl")]
#[derive(Clone, Copy, Debug)]
pub struct Small;

#[cfg(target_env = "musl")]
// SAFETY: every call is handed on as it is.
unsafe impl GlobalAlloc for Small {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        unsafe { MEMORY.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        unsafe { MEMORY.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised to us.
        unsafe { MEMORY.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { MEMORY.dealloc(memory, layout) }
    }
}

/// The memory of the process. The lock is the standard library's, which takes a third of the instructions of musl's, a
/// tenth of a short run.
#[cfg(target_env = "musl")]
struct Locked {
    memory: Mutex<Dlmalloc<Segments>>,
    /// Held by the thread that fetches a segment.
    fetching: Mutex<()>,
}

#[cfg(target_env = "musl")]
impl Locked {
    /// Nothing panics while it is locked, so what another thread left is whole.
    fn lock(&self) -> MutexGuard<'_, Dlmalloc<Segments>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for memory once more after a segment was fetched, if that is what it takes. Meanwhile other threads get
    /// what the segments so far have left.
    #[cold]
    fn fetched(&self, ask: impl Fn(&mut Dlmalloc<Segments>) -> *mut u8) -> *mut u8 {
        let _fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have fetched one, and it may take this one.
        loop {
            let memory = ask(&mut self.lock());
            if !memory.is_null() || !segments::fetch() {
                return memory;
            }
        }
    }
}

#[cfg(target_env = "musl")]
// SAFETY: every call is handed on as it is, under a lock.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        let ask = |memory: &mut Dlmalloc<Segments>| unsafe { memory.malloc(layout.size(), layout.align()) };
        let memory = ask(&mut self.lock());
        if memory.is_null() { self.fetched(ask) } else { memory }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        let ask = |memory: &mut Dlmalloc<Segments>| unsafe { memory.calloc(layout.size(), layout.align()) };
        let memory = ask(&mut self.lock());
        if memory.is_null() { self.fetched(ask) } else { memory }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let ask = |all: &mut Dlmalloc<Segments>| {
            // SAFETY: as promised to us. Where there is no memory, what there was is as before.
            unsafe { all.realloc(memory, layout.size(), layout.align(), size) }
        };
        let moved = ask(&mut self.lock());
        if moved.is_null() { self.fetched(ask) } else { moved }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { self.lock().free(memory, layout.size(), layout.align()) }
    }
}

/// An allocator that ends the process where the inner one has no memory.
#[derive(Debug)]
pub struct OrEnd<A>(pub A);

// SAFETY: every call is handed on as it is, and what comes back is handed back, except for null, after which
// nothing runs.
unsafe impl<A: GlobalAlloc> GlobalAlloc for OrEnd<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        given(unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        given(unsafe { self.0.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised to us.
        given(unsafe { self.0.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

#[inline]
fn given(memory: *mut u8) -> *mut u8 {
    if memory.is_null() { end("Cannot allocate memory") } else { memory }
}

/// Ends the process with this reason. Allocates nothing, and runs no code that waits for the end of the program, so
/// that a handler of signals can call it.
#[cold]
pub(crate) fn end(reason: &str) -> ! {
    let name = PROGRAM.get().copied().unwrap_or_default();
    let before = if name.is_empty() { "" } else { ": " };
    for part in [name, before, "FATAL: ", reason, "\n"] {
        // SAFETY: the bytes are those of the text.
        unsafe { write(2, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: it does not return.
    unsafe { _exit(1) }
}
