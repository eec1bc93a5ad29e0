//! Memory for what is written in C: the decompressors, and musl itself. These functions stand in for musl's own, which
//! map and unmap every larger piece: a dictionary of liblzma's for each module that depmod reads.

#![allow(
    unsafe_code,
    reason = "C's functions of memory: a caller promises what their names have meant ever since"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use super::MEMORY;

/// What stands right before a piece of memory: C gives it back without saying how large it is.
struct Header {
    /// The size in bytes, with what stands before.
    size: usize,
    /// The alignment, which is as much as stands before.
    align: usize,
}

/// The alignment of memory for which none was asked: good for anything.
const ALIGN: usize = 16;

const _: () = assert!(size_of::<Header>() <= ALIGN);

const ENOMEM: c_int = 12;
const EINVAL: c_int = 22;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

/// Nothing, and why.
#[cold]
fn nothing(errno: c_int) -> *mut c_void {
    // SAFETY: musl gives each thread a place for its number.
    unsafe { *__errno_location() = errno };
    null_mut()
}

/// How a piece of so many bytes is asked for.
fn layout(size: usize, align: usize) -> Option<Layout> {
    let align = align.max(ALIGN);
    Layout::from_size_align(size.checked_add(align)?, align).ok()
}

/// What C gets of memory that was given for a layout: all behind the header.
fn behind_header(start: *mut u8, layout: Layout) -> *mut c_void {
    if start.is_null() {
        return nothing(ENOMEM);
    }
    // SAFETY: a layout has room for its alignment and more, and a header is no larger than the smallest of them.
    unsafe {
        let memory = start.add(layout.align());
        memory.cast::<Header>().sub(1).write(Header { size: layout.size(), align: layout.align() });
        memory.cast()
    }
}

fn given(size: usize, align: usize) -> *mut c_void {
    // SAFETY: no layout here is of no bytes.
    layout(size, align)
        .map_or_else(|| nothing(ENOMEM), |layout| behind_header(unsafe { MEMORY.alloc(layout) }, layout))
}

/// Where a piece that C has begins in truth, and its layout.
///
/// # Safety
/// It is one that was given here and that was not taken back.
unsafe fn whole(memory: *mut c_void) -> (*mut u8, Layout) {
    // SAFETY: as promised, a header stands before it, which was made of a layout.
    unsafe {
        let Header { size, align } = memory.cast::<Header>().sub(1).read();
        (memory.cast::<u8>().sub(align), Layout::from_size_align_unchecked(size, align))
    }
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    given(size, ALIGN)
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: no layout here is of no bytes.
    count.checked_mul(size).and_then(|size| layout(size, ALIGN)).map_or_else(
        || nothing(ENOMEM),
        |layout| behind_header(unsafe { MEMORY.alloc_zeroed(layout) }, layout),
    )
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    if memory.is_null() {
        return given(size, ALIGN);
    }
    // SAFETY: the caller says that it is one of ours.
    let (start, old) = unsafe { whole(memory) };
    let Some(new) = layout(size, old.align()) else { return nothing(ENOMEM) };
    // SAFETY: it was given for this layout; a header stands before it afterwards as before.
    behind_header(unsafe { MEMORY.realloc(start, old, new.size()) }, new)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    if !memory.is_null() {
        // SAFETY: the caller says that it is one of ours, and does not use it any more.
        unsafe {
            let (start, layout) = whole(memory);
            MEMORY.dealloc(start, layout);
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    if align.is_power_of_two() { given(size, align) } else { nothing(EINVAL) }
}

#[unsafe(no_mangle)]
extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    aligned_alloc(align, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(memory: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align < size_of::<*const c_void>() {
        return EINVAL;
    }
    let given = given(size, align);
    if given.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller says that it can be written to.
    unsafe { memory.write(given) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc_usable_size(memory: *mut c_void) -> usize {
    if memory.is_null() {
        return 0;
    }
    // SAFETY: the caller says that it is one of ours.
    let (_, layout) = unsafe { whole(memory) };
    layout.size() - layout.align()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that C may use.
    fn bytes<'m>(memory: *mut c_void, size: usize) -> &'m mut [u8] {
        assert!(!memory.is_null());
        // SAFETY: there are as many at least, and nobody else has them.
        unsafe {
            assert!(malloc_usable_size(memory) >= size);
            std::slice::from_raw_parts_mut(memory.cast(), size)
        }
    }

    #[test]
    fn memory_is_aligned_keeps_its_bytes_and_is_given_back() {
        let mut pieces = Vec::new();
        for round in 0..2000_usize {
            let (size, align) = (round * 37 % 5000, 1 << (round % 13));
            let memory = match round % 3 {
                0 => malloc(size),
                1 => calloc(size.div_ceil(8), 8),
                _ => aligned_alloc(align, size),
            };
            if round % 3 == 2 {
                assert!(memory.addr().is_multiple_of(align), "{align}");
            }
            assert!(memory.addr().is_multiple_of(ALIGN));
            if round % 3 == 1 {
                assert!(bytes(memory, size).iter().all(|&byte| byte == 0));
            }
            bytes(memory, size).fill(round as u8);
            pieces.push((memory, size, round as u8));
            if round % 4 == 3 {
                let (memory, size, value) = pieces.swap_remove(round % pieces.len());
                // SAFETY: it is one of these, and is taken back once.
                let larger = unsafe { realloc(memory, size * 2 + 1) };
                assert!(bytes(larger, size).iter().all(|&byte| byte == value));
                bytes(larger, size * 2 + 1).fill(value);
                pieces.push((larger, size * 2 + 1, value));
            }
            if round % 5 == 4 {
                let (memory, size, value) = pieces.swap_remove(round % pieces.len());
                assert!(bytes(memory, size).iter().all(|&byte| byte == value));
                // SAFETY: as above.
                unsafe { free(memory) };
            }
        }
        for (memory, size, value) in pieces {
            assert!(bytes(memory, size).iter().all(|&byte| byte == value));
            // SAFETY: as above.
            unsafe { free(memory) };
        }
    }

    #[test]
    fn what_cannot_be_given_is_null_with_a_number_and_what_there_was_stays() {
        let errno = || std::io::Error::last_os_error().raw_os_error();
        for size in [usize::MAX, usize::MAX - ALIGN, isize::MAX as usize, isize::MAX as usize - ALIGN] {
            for memory in [malloc(size), calloc(size, 1), calloc(size, size), aligned_alloc(64, size)] {
                assert!(memory.is_null() && errno() == Some(ENOMEM), "{size}");
            }
            let mut memory = malloc(10);
            bytes(memory, 10).fill(7);
            // SAFETY: it is one of these; what cannot become larger stays.
            unsafe {
                assert!(realloc(memory, size).is_null());
                assert_eq!(bytes(memory, 10), [7; 10]);
                free(memory);
                assert_eq!(posix_memalign(&mut memory, 64, size), ENOMEM);
            }
        }
        // SAFETY: null is nothing to give back, and nothing to make larger.
        unsafe {
            free(null_mut());
            let memory = realloc(null_mut(), 5);
            bytes(memory, 5).fill(1);
            free(memory);
            let mut memory = null_mut();
            assert_eq!(posix_memalign(&mut memory, 4096, 5), 0);
            assert!(memory.addr().is_multiple_of(4096));
            free(memory);
            for align in [0, 1, 3, 24] {
                assert_eq!(posix_memalign(&mut memory, align, 5), EINVAL);
            }
        }
        assert!(aligned_alloc(3, 5).is_null() && errno() == Some(EINVAL));
    }
}
