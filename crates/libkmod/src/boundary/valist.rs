//! A `va_list` with one pointer in it, which is what a log function takes its text from.
//!
//! Stable Rust cannot make one. The structures are those of each architecture's calling convention: a reader of the
//! list is told that the registers are used up, so it looks at the memory behind, where the pointer stands. In every
//! convention the argument itself is one machine word. An architecture that is not here does not compile.

use std::ffi::{c_char, c_void};
use std::ptr;

/// Calls with a list that holds `pointer`; the list lives during the call.
pub(crate) fn with_pointer(pointer: *const c_char, call: impl FnOnce(*mut c_void)) {
    // One more, so that a format that asks for more than it should finds NULL.
    let mut words = [pointer.cast::<c_void>(), ptr::null()];
    let words = words.as_mut_ptr().cast::<c_void>();
    #[cfg(target_arch = "x86_64")]
    {
        /// System V ABI, AMD64 supplement, 3.5.7.
        #[repr(C)]
        struct List {
            gp_offset: u32,
            fp_offset: u32,
            overflow_arg_area: *mut c_void,
            reg_save_area: *mut c_void,
        }
        let mut list =
            List { gp_offset: 48, fp_offset: 304, overflow_arg_area: words, reg_save_area: ptr::null_mut() };
        call((&raw mut list).cast());
    }
    #[cfg(target_arch = "aarch64")]
    {
        /// Procedure Call Standard for the Arm 64-bit Architecture, appendix B. Passed by reference to a copy.
        #[repr(C)]
        struct List {
            stack: *mut c_void,
            gr_top: *mut c_void,
            vr_top: *mut c_void,
            gr_offs: i32,
            vr_offs: i32,
        }
        let none = ptr::null_mut();
        let mut list = List { stack: words, gr_top: none, vr_top: none, gr_offs: 0, vr_offs: 0 };
        call((&raw mut list).cast());
    }
    #[cfg(target_arch = "s390x")]
    {
        /// ELF Application Binary Interface, s390x supplement.
        #[repr(C)]
        struct List {
            gpr: i64,
            fpr: i64,
            overflow_arg_area: *mut c_void,
            reg_save_area: *mut c_void,
        }
        let mut list = List { gpr: 5, fpr: 4, overflow_arg_area: words, reg_save_area: ptr::null_mut() };
        call((&raw mut list).cast());
    }
    // Here the list is a pointer to the arguments, or a structure of nothing else.
    #[cfg(any(
        target_arch = "x86",
        target_arch = "arm",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "mips64",
        all(target_arch = "powerpc64", target_endian = "little"),
    ))]
    call(words);
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "s390x",
        target_arch = "x86",
        target_arch = "arm",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "mips64",
        all(target_arch = "powerpc64", target_endian = "little"),
    )))]
    compile_error!("how this architecture passes variable arguments is not known here");
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_int};

    use super::*;

    // Not among what the crate `libc` declares.
    unsafe extern "C" {
        fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, list: *mut c_void) -> c_int;
    }

    #[test]
    #[cfg_attr(miri, ignore = "calls C functions")]
    fn the_c_library_finds_the_text_in_the_list() {
        for expected in [c"", c"a text", c"100 %s"] {
            let mut buffer = [0_u8; 64];
            with_pointer(expected.as_ptr(), |list| {
                // SAFETY: the buffer is as long as it says, and the format takes the one pointer that is there.
                let len = unsafe { vsnprintf(buffer.as_mut_ptr().cast(), 64, c"<%s>".as_ptr(), list) };
                assert_eq!(len, c_int::try_from(expected.count_bytes() + 2).unwrap());
            });
            let written = CStr::from_bytes_until_nul(&buffer).unwrap();
            assert_eq!(written.to_bytes(), [b"<", expected.to_bytes(), b">"].concat());
        }
    }
}
