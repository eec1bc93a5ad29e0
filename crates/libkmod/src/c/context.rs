//! `kmod_new` and what belongs to a context.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr;
use std::rc::Rc;

use moddb::paths::Table;
use rustix::io::Errno;

use super::{NOTHING, null_because};
use crate::boundary::{Held, Paths, exported, keep_panics_quiet, number};
use crate::log::{INFO, LogFunction};
use crate::objects::Context;
use crate::resources;

/// What `kmod_validate_resources` says of no context: make one.
const MUST_RECREATE: c_int = 2;

exported! {
    /// A new context.
    fn kmod_new(dirname: Option<&CStr>, config_paths: Paths) -> *const Context, else ptr::null(); {
        keep_panics_quiet();
        Context::new(dirname, config_paths.0).map_or_else(|errno| null_because(errno), Rc::into_raw)
    }

    /// One more reference of a context.
    fn kmod_ref(context: Held<Context>) -> *const Context, else ptr::null(); {
        Rc::into_raw(Rc::clone(&context))
    }

    /// Gives a reference back; NULL if it was the last one.
    fn kmod_unref(context: Rc<Context>) -> *const Context, else ptr::null(); {
        if Rc::strong_count(&context) > 1 { Rc::as_ptr(&context) } else { ptr::null() }
    }

    /// The module directory.
    fn kmod_get_dirname(context: &Context) -> *const c_char, else ptr::null(); {
        context.dirname.as_ptr()
    }

    /// Sends messages to a function of the caller, or nowhere.
    fn kmod_set_log_fn(context: &Context, log_fn: Option<LogFunction>, data: *const c_void), else (); {
        context.log.set_function(log_fn, data);
        context.log.say(INFO, c"kmod_set_log_fn", || {
            let function = log_fn.map_or(ptr::null(), |function| function as *const c_void);
            format!("custom logging function {function:p} registered")
        });
    }

    /// How much is said.
    fn kmod_get_log_priority(context: &Context) -> c_int, else -1; {
        context.log.priority()
    }

    /// Says more, or less.
    fn kmod_set_log_priority(context: &Context, priority: c_int), else (); {
        context.log.set_priority(priority);
    }

    /// The caller's own pointer.
    fn kmod_get_userdata(context: &Context) -> *const c_void, else ptr::null(); {
        context.userdata()
    }

    /// Keeps a pointer for the caller.
    fn kmod_set_userdata(context: &Context, userdata: *const c_void), else (); {
        context.set_userdata(userdata);
    }

    /// Opens the indexes and keeps them open.
    fn kmod_load_resources(context: &Context) -> c_int, else NOTHING; {
        number(resources::load(context).map(|()| 0))
    }

    /// Closes the indexes.
    fn kmod_unload_resources(context: &Context), else (); {
        resources::unload(context);
    }

    /// Whether what was read is still what is there.
    fn kmod_validate_resources(context: &Context) -> c_int, else MUST_RECREATE; {
        resources::validate(context)
    }

    /// Writes all lines of an index to a descriptor.
    fn kmod_dump_index(context: &Context, index: c_int, fd: c_int) -> c_int, else -libc::ENOSYS; {
        let (table, beginning): (_, &[u8]) = match index {
            0 => (Table::Dependencies, b""),
            1 => (Table::Aliases, b"alias "),
            2 => (Table::Symbols, b"alias "),
            3 => (Table::BuiltinAliases, b""),
            4 => (Table::Builtin, b""),
            _ => return NOTHING,
        };
        let Some(lines) = context.ask(c"kmod_dump_index", |db| db.lines(table, beginning)) else {
            return -Errno::NOSYS.raw_os_error();
        };
        if fd >= 0 {
            // SAFETY: the descriptor is the caller's, who keeps it open during the call.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            write_all(fd, &lines);
        }
        0
    }
}

/// Writes to the caller's descriptor. compat: that it failed is not reported (tests/libkmod-c/c/each.c).
fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}
