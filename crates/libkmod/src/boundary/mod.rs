//! The boundary to C: the only place where pointers of callers are believed.
//!
//! Every exported function is written with [`exported!`]. The macro turns what C passes into references and owned
//! objects ([`Argument`]), answers NULL where something must be, catches a panic before it could reach the caller
//! (which may be the first process of the system), and leaves the error number in `errno` as well, since callers
//! look there after a failure.
//!
//! What callers must keep to is the contract of the C library: a pointer is NULL or came from this library and its
//! reference has not been given back; a context and all that came from it are used by one thread at a time.

mod arguments;
mod panics;
pub(crate) mod valist;

pub(crate) use arguments::{Argument, Held, Out, Paths};
pub(crate) use panics::{guarded, keep_panics_quiet};

use std::ffi::{CString, c_int};

use rustix::io::Errno;

/// What an exported function returns.
pub(crate) trait Returned: Copy {
    /// What it returns after a panic, if that is not what it returns for NULL.
    fn after_panic() -> Option<Self> {
        None
    }

    /// The error number in it.
    fn errno(self) -> Option<c_int> {
        None
    }
}

macro_rules! negative_is_an_error {
    ($($type:ty),*) => {$(
        impl Returned for $type {
            fn after_panic() -> Option<Self> {
                Some(-Self::from(Errno::INVAL.raw_os_error()))
            }

            fn errno(self) -> Option<c_int> {
                self.checked_neg().filter(|number| *number > 0).and_then(|number| c_int::try_from(number).ok())
            }
        }
    )*};
}
negative_is_an_error!(i32, i64);
impl Returned for u32 {}
impl Returned for u64 {}
impl Returned for bool {}
impl Returned for () {}
impl<T> Returned for *const T {}
impl<T> Returned for *mut T {}

/// Puts an error number where C looks for it.
pub(crate) fn set_errno(number: c_int) {
    // SAFETY: the address is that of this thread's own errno, which lives as long as the thread.
    unsafe { *libc::__errno_location() = number };
}

/// A negative error number, as C functions return it.
pub(crate) fn number(result: Result<c_int, Errno>) -> c_int {
    result.unwrap_or_else(|errno| -errno.raw_os_error())
}

/// A C string of these bytes, which end at the first NUL if there is one.
pub(crate) fn text(bytes: &[u8]) -> CString {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    CString::new(bytes).unwrap_or_default()
}

/// Exports functions of the C library. The value behind `else` is for NULL where something must be, and after a
/// panic for results that have no error number.
macro_rules! exported {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?, else $failure:expr; $body:block
    )*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        /// Every pointer is NULL or what the C library's contract asks for in its place: see the header.
        #[unsafe(no_mangle)]
        #[allow(clippy::unused_unit, reason = "the failure of a function that returns nothing")]
        pub unsafe extern "C" fn $name(
            $($argument: <$type as $crate::boundary::Argument>::FromC),*
        ) $(-> $result)? {
            $crate::boundary::guarded($failure, move || {
                $(
                    // SAFETY: the caller keeps to the contract for this argument.
                    let taken = unsafe { <$type as $crate::boundary::Argument>::take($argument) };
                    let Some($argument) = taken else { return $failure };
                )*
                $body
            })
        }
    )*};
}
pub(crate) use exported;

#[cfg(test)]
mod tests {
    use super::*;

    exported! {
        /// A function with a fault in it.
        fn kmod_test_with_a_fault(out: Out<c_int>, wanted: c_int) -> c_int, else -2; {
            out.put(wanted);
            assert_ne!(wanted, 1, "a fault");
            0
        }
    }

    #[test]
    fn a_fault_in_an_exported_function_is_its_failure_and_the_caller_goes_on() {
        let mut out = 0;
        // SAFETY: the place lives during the calls; NULL is answered.
        let answers = unsafe {
            [
                kmod_test_with_a_fault(&raw mut out, 1),
                kmod_test_with_a_fault(&raw mut out, 7),
                kmod_test_with_a_fault(std::ptr::null_mut(), 1),
            ]
        };
        assert_eq!((answers, out), ([-libc::EINVAL, 0, -2], 7));
    }

    #[test]
    fn a_c_string_ends_at_the_first_nul() {
        assert_eq!(text(b"a b").as_bytes(), b"a b");
        assert_eq!(text(b"a\0b").as_bytes(), b"a");
        assert_eq!(text(b"").as_bytes(), b"");
    }

    #[test]
    fn only_negative_numbers_are_errors() {
        assert_eq!((-2_i32).errno(), Some(2));
        assert_eq!((-2_i64).errno(), Some(2));
        assert_eq!(0x40000_i32.errno(), None);
        assert_eq!(i64::MIN.errno(), None);
    }
}
