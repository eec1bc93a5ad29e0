//! `lsmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

#[global_allocator]
static ALLOCATOR: modcli::memory::OfTools = modcli::memory::of_tools();

modcli::main!("lsmod", lsmod::run);
