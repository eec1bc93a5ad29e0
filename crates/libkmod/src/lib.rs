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
//!
//! # Its size
//!
//! 600,000 bytes are the limit, and `cargo xtask libkmod` holds it to that. It had 786 kB with the linker's optimiser,
//! and what keeps it small since then is, in kB:
//!
//! | less by | what | where |
//! |---|---|---|
//! | 17 | packed relocations | `xtask/src/libkmod.rs` |
//! | 8 | frame pointers, so that tables of unwinding are short | there |
//! | 4 | identical functions are merged before code is made, and little is inlined | there |
//! | 10 | the standard library prints nothing of panics and memory | there |
//! | 50 | no `std::process::Command`, and with it no maps of variables | `shell` |
//! | 14 | one sort for what an index holds; a list instead of a set of names | `moddb::index`, `modload` |
//! | 26 | no reader of gzip's frame and its tables | `modfile::gzip` |
//! | 14 | small tables for the checksums of xz | `checksums` |
//! | 5 | files of a configuration in one kind of map, modules of a plan in one kind of set | `moddb::config`, `modload` |
//! | 40 | most crates compiled for size alone | `Cargo.toml` |
//!
//! Of no use were: size alone in every crate, whose functions need tables of their own; the linker's outliners; and
//! rustc's optimiser in the linker's place. What unwinding still costs is about 70 kB, and it is what keeps a panic
//! from ending the program.
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
