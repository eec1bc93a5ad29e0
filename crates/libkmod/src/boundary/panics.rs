//! A panic ends at the boundary: it becomes the function's failure, and nothing is printed.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::{Returned, set_errno};

/// Runs the body of an exported function. A panic in it becomes `failure`, or the error number that the type of
/// the result has for that; what a failure says is left in `errno`.
pub(crate) fn guarded<R: Returned>(failure: R, body: impl FnOnce() -> R) -> R {
    // Objects that a panic left half changed stay sound: all of them are behind cells, which say so if asked.
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    let result = result.unwrap_or_else(|_| R::after_panic().unwrap_or(failure));
    if let Some(number) = result.errno() {
        set_errno(number);
    }
    result
}

/// Keeps the standard library from writing what a panic says to file descriptor 2, which may be anything in a
/// program that we are only a guest of. The hook is this library's own: it carries its own standard library.
pub(crate) fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    // Tests share the hook with the test runner, whose messages are wanted; a fuzzer's own ends the run.
    if !cfg!(any(test, fuzzing)) {
        ONCE.call_once(|| panic::set_hook(Box::new(|_| {})));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::ptr;

    use super::*;

    #[test]
    fn a_panic_becomes_the_failure_of_the_function() {
        let none: Option<u8> = std::hint::black_box(None);
        assert_eq!(guarded(-2, || none.map(c_int::from).unwrap()), -libc::EINVAL);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
        assert_eq!(guarded(ptr::null::<u8>(), || &raw const *none.as_ref().unwrap()), ptr::null());
        assert!(!guarded(false, || none.unwrap() == 0));
        guarded((), || assert_eq!(none.unwrap(), 0));
    }

    #[test]
    fn a_failure_is_in_errno_and_a_success_leaves_it() {
        set_errno(libc::EXDEV);
        assert_eq!(guarded(-2, || 7), 7);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EXDEV));
        assert_eq!(guarded(-2, || -libc::ENOENT), -libc::ENOENT);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOENT));
    }
}
