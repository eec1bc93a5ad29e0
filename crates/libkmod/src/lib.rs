//! libkmod.so.2: the C library of Linux kernel modules, for udev, systemd and every other program that links it.
//!
//! What modules are, where they are found and how they are loaded is decided in the project's other crates; here is
//! what C needs besides: objects with counted references, lists, strings that stay where they are, a log function
//! and error numbers. `include/libkmod.h` is the interface in C, and says who owns what.
//!
//! | to | see |
//! |---|---|
//! | see what is exported | the modules of `c` |
//! | know how pointers of callers are treated, and panics | [`boundary`] |
//! | find the objects | [`objects`], [`context`], [`module`], [`list`] |
//!
//! The library opens files and system calls for as long as a function runs; between calls it keeps only the indexes
//! that a caller has asked it to load. It maps no file, starts no thread, leaves no handler behind, and changes
//! neither environment nor directory of the process that it is a guest of.
#![allow(
    unsafe_code,
    reason = "pointers from C are believed here, in `boundary`, `list` and the exported functions"
)]

mod boundary;
mod c;
#[cfg(feature = "symbol-versions")]
mod checksums;
mod config_lists;
mod contents;
mod context;
mod list;
mod load;
mod log;
mod lookup;
mod module;
mod objects;
mod paths;
mod probe;
mod resources;
mod rules;
mod shell;
mod stamps;
mod state;
