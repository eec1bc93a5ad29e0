//! What is exported, in the order of `include/libkmod.h`. Each function hands its arguments, which the macro has
//! made references of, to the module that knows; nothing is decided here but which failure NULL is.

mod config;
mod contents;
mod context;
mod lists;
mod load;
mod modules;
mod state;

use std::ffi::c_int;

use rustix::io::Errno;

use crate::boundary::{Out, set_errno};
use crate::list::{Entry, Node};

/// What functions say of NULL where something must be.
const NOTHING: c_int = -Errno::NOENT.raw_os_error();

/// Puts a list of all entries where the caller wants it; how many there are.
fn put_entries(out: &Out<*mut Node>, read: impl FnOnce() -> Result<Vec<Entry>, Errno>) -> c_int {
    // compat: kmod ends the process if a list is there already (tests/libkmod-c/c/each.c).
    if !out.left().is_null() {
        return -Errno::INVAL.raw_os_error();
    }
    match read() {
        Ok(entries) => {
            let count = c_int::try_from(entries.len()).unwrap_or(c_int::MAX);
            out.put(Node::list(entries));
            count
        }
        Err(errno) => -errno.raw_os_error(),
    }
}

/// NULL, and why in `errno`.
fn null_because<T>(errno: Errno) -> *mut T {
    set_errno(errno.raw_os_error());
    std::ptr::null_mut()
}
