//! The entry of a tool that starts often: C's `main` instead of Rust's.
//!
//! Rust's runtime prepares for what such a tool never has, a stack that overflows in a thread, and looks once more at
//! the descriptors that [`startup`](crate::startup) has repaired: a dozen system calls before `main` and two
//! behind it. What remains to be done of its work is done here: the arguments are kept, and a closed pipe is an
//! error to be handled and no signal.

#![allow(
    unsafe_code,
    reason = "the arguments of C's main are pointers, which C promises to be valid while the process lives; \
              signal(2) is called once, before there are threads"
)]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::ended::Exit;
use crate::session::{self, Session};

/// The same on every architecture of Linux.
const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;

unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
}

/// The arguments that C's `main` was given.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// The arguments of the process, the name of the program first. Without [`enter`] they come from Rust's runtime.
pub(crate) fn arguments() -> Vec<OsString> {
    ARGUMENTS.get().cloned().unwrap_or_else(|| std::env::args_os().collect())
}

/// Runs a tool with the arguments of C's `main`; gives the exit status. [`main`](crate::main) calls it.
///
/// # Safety
/// `arguments` points to `count` strings of C, which live as long as the process does.
pub unsafe fn enter(
    count: c_int,
    arguments: *const *const c_char,
    program: &'static str,
    tool: impl FnOnce(&Session) -> anyhow::Result<Exit>,
) -> c_int {
    let count = if arguments.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
    let words = (0..count).map(|number| {
        // SAFETY: the caller promises `count` strings.
        let word = unsafe { CStr::from_ptr(*arguments.add(number)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    });
    // The first and only call sets it.
    let _ = ARGUMENTS.set(words.collect());
    // SAFETY: to ignore a signal installs no handler.
    unsafe { signal(SIGPIPE, SIG_IGN) };
    let exit = session::run(program, tool);
    c_int::from(exit != ExitCode::SUCCESS)
}

/// The `main` of a tool: its name, and the function that runs it. The program needs `#![no_main]`, except when it
/// is built as a test of itself.
#[macro_export]
macro_rules! main {
    ($program:literal, $tool:path) => {
        #[cfg(not(test))]
        #[allow(unsafe_code, reason = "C's main has this name and is handed pointers")]
        // SAFETY: no other function of the program is named so.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::std::ffi::c_int,
            arguments: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: these are what C hands to main.
            unsafe { $crate::entry::enter(count, arguments, $program, $tool) }
        }
    };
}
