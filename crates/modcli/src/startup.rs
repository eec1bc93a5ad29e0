//! Repairs descriptors 0, 1 and 2 before Rust's runtime looks at them, and remembers which were closed.
//!
//! The kernel starts modprobe with all three closed. Rust's runtime then opens `/dev/null` for them and, where
//! that does not exist, as early in an initramfs or in a bare chroot, aborts before `main` without a trace. A
//! constructor in `.init_array` runs before the runtime, on glibc as on musl, and leaves it nothing to repair.
//! It also keeps the first files that the tool opens from becoming its standard streams.
//!
//! This module uses the standard library's types only: it runs before the runtime is set up, so it allocates
//! nothing, cannot panic and reports nothing.

#![allow(
    unsafe_code,
    reason = "here, in the entry and in the allocator beside it is the only unsafe code of the tools: a constructor needs its place in a link section, and before \
              the runtime is set up there is no safe interface to the descriptors; the C functions are plain \
              system calls that libc, initialised before any constructor runs, offers at this point"
)]

use std::ffi::{CStr, c_char, c_int, c_short, c_ulong};
use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

/// Values of Linux on every architecture.
const O_RDONLY: c_int = 0;
const O_RDWR: c_int = 2;

const POLLNVAL: c_short = 0x20;

/// A descriptor that poll(2) looks at.
#[repr(C)]
struct Polled {
    descriptor: c_int,
    events: c_short,
    seen: c_short,
}

unsafe extern "C" {
    fn poll(descriptors: *mut Polled, count: c_ulong, timeout: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
}

/// One bit per descriptor that was closed at exec.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = fill;

/// Which of the standard descriptors were closed when the program started. They are open now, on nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Descriptor 0.
    pub stdin: bool,
    /// Descriptor 1: what is written there is seen by nobody.
    pub stdout: bool,
    /// Descriptor 2: messages must go elsewhere.
    pub stderr: bool,
}

/// Which of descriptors 0 to 2 were closed when the program started.
#[must_use]
pub fn closed_descriptors() -> Closed {
    // Naming the constructor is what makes the linker take it from the library.
    black_box(&CONSTRUCTOR);
    let bits = CLOSED.load(Ordering::Relaxed);
    Closed { stdin: bits & 1 != 0, stdout: bits & 2 != 0, stderr: bits & 4 != 0 }
}

extern "C" fn fill() {
    let mut standard = [0, 1, 2].map(|descriptor| Polled { descriptor, events: 0, seen: 0 });
    // SAFETY: there are three of them. It looks and returns at once; if it fails, nothing is known to be closed.
    unsafe { poll(standard.as_mut_ptr(), 3, 0) };
    for polled in standard {
        if polled.seen & POLLNVAL != 0 {
            CLOSED.fetch_or(1 << polled.descriptor, Ordering::Relaxed);
            // All lower ones are open, so the new descriptor is this one. They stay open across exec: commands
            // of the configuration inherit them.
            if !opens(c"/dev/null", O_RDWR) {
                opens(c"/", O_RDONLY);
            }
        }
    }
}

fn opens(path: &CStr, flags: c_int) -> bool {
    // SAFETY: the path ends in NUL and is only read; without O_CREAT there is no third argument.
    unsafe { open(path.as_ptr(), flags) != -1 }
}
