//! What C passes, and what it becomes.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::rc::Rc;

use crate::config_lists::Lines;
use crate::list::Node;
use crate::log::LogFunction;
use crate::objects::Context;
use crate::objects::Module;
use crate::probe::{PrintAction, RunInstall};

/// An argument of an exported function.
pub(crate) trait Argument: Sized {
    /// What stands in its place in C.
    type FromC;

    /// What it is for the body; `None` for a NULL where something must be.
    ///
    /// # Safety
    /// The caller keeps to the C library's contract for such an argument.
    unsafe fn take(from: Self::FromC) -> Option<Self>;
}

/// Objects that C holds by address.
pub(crate) trait Object {}
impl Object for Context {}
impl Object for Lines {}
impl Object for Module {}
impl Object for Node {}

/// A borrowed object.
impl<T: Object> Argument for &T {
    type FromC = *const T;

    unsafe fn take(from: *const T) -> Option<Self> {
        // SAFETY: by contract NULL, or an object that the caller holds a reference of for the whole call. It is
        // never borrowed mutably: what changes in it is in cells.
        unsafe { from.as_ref() }
    }
}

/// A borrowed object whose references may be multiplied.
pub(crate) struct Held<T>(ManuallyDrop<Rc<T>>);

impl<T> Deref for Held<T> {
    type Target = Rc<T>;

    fn deref(&self) -> &Rc<T> {
        &self.0
    }
}

macro_rules! counted {
    ($($type:ty),*) => {$(
        impl Argument for Held<$type> {
            type FromC = *const $type;

            unsafe fn take(from: *const $type) -> Option<Self> {
                // SAFETY: by contract a pointer that `Rc::into_raw` gave and whose reference is still the
                // caller's; it stays so, because it is not dropped here.
                (!from.is_null()).then(|| Self(ManuallyDrop::new(unsafe { Rc::from_raw(from) })))
            }
        }

        /// An object whose reference the caller gives back.
        impl Argument for Rc<$type> {
            type FromC = *const $type;

            unsafe fn take(from: *const $type) -> Option<Self> {
                // SAFETY: by contract a pointer that `Rc::into_raw` gave, and the caller's reference ends here.
                (!from.is_null()).then(|| unsafe { Rc::from_raw(from) })
            }
        }
    )*};
}
counted!(Context, Module);

/// An iterator or a list that the caller gives back.
macro_rules! owned {
    ($($type:ty),*) => {$(
        impl Argument for Box<$type> {
            type FromC = *mut $type;

            unsafe fn take(from: *mut $type) -> Option<Self> {
                // SAFETY: by contract a pointer that `Box::into_raw` gave, and the caller forgets it now.
                (!from.is_null()).then(|| unsafe { Box::from_raw(from) })
            }
        }
    )*};
}
owned!(Lines);

/// A string that must be there.
impl Argument for &CStr {
    type FromC = *const c_char;

    unsafe fn take(from: *const c_char) -> Option<Self> {
        // SAFETY: by contract NULL or a string with its NUL, which stays as it is during the call.
        (!from.is_null()).then(|| unsafe { CStr::from_ptr(from) })
    }
}

/// A string that may be NULL.
impl Argument for Option<&CStr> {
    type FromC = *const c_char;

    unsafe fn take(from: *const c_char) -> Option<Self> {
        // SAFETY: passed on as it is.
        Some(unsafe { <&CStr>::take(from) })
    }
}

/// A list whose end is NULL, and which is NULL if it is empty.
impl Argument for Option<&Node> {
    type FromC = *const Node;

    unsafe fn take(from: *const Node) -> Option<Self> {
        // SAFETY: passed on as it is.
        Some(unsafe { <&Node>::take(from) })
    }
}

/// Paths in an array that ends with NULL; `None` without an array.
pub(crate) struct Paths(pub(crate) Option<Vec<PathBuf>>);

impl Argument for Paths {
    type FromC = *const *const c_char;

    unsafe fn take(from: *const *const c_char) -> Option<Self> {
        if from.is_null() {
            return Some(Self(None));
        }
        let mut paths = Vec::new();
        let mut place = from;
        // SAFETY: by contract each place up to that of the NULL can be read.
        while let Some(path) = unsafe { <&CStr>::take(*place) } {
            paths.push(PathBuf::from(OsStr::from_bytes(path.to_bytes())));
            // SAFETY: the one just read was not the last.
            place = unsafe { place.add(1) };
        }
        Some(Self(Some(paths)))
    }
}

/// A place where the caller wants an answer.
pub(crate) struct Out<T>(NonNull<T>);

impl<T: Copy> Out<T> {
    /// Puts the answer there.
    pub(crate) fn put(&self, value: T) {
        // SAFETY: by contract the place can be written. What was there is not looked at: it need not be anything.
        unsafe { self.0.write(value) };
    }

    /// What the caller left there, for functions that ask for NULL.
    pub(crate) fn left(&self) -> T {
        // SAFETY: by contract of those functions the caller has put something there.
        unsafe { self.0.read() }
    }
}

impl<T: Copy> Argument for Out<T> {
    type FromC = *mut T;

    unsafe fn take(from: *mut T) -> Option<Self> {
        NonNull::new(from).map(Self)
    }
}

/// What is not a pointer of ours is taken as it is.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Argument for $type {
            type FromC = Self;

            unsafe fn take(from: Self) -> Option<Self> {
                Some(from)
            }
        }
    )*};
}
plain!(c_int, c_uint, *const c_void, *const Node, *mut Node);
plain!(Option<LogFunction>, Option<RunInstall>, Option<PrintAction>);

impl<T: Copy> Argument for Option<Out<T>> {
    type FromC = *mut T;

    unsafe fn take(from: *mut T) -> Option<Self> {
        Some(NonNull::new(from).map(Out))
    }
}
