//! `insmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

#[global_allocator]
static ALLOCATOR: modcli::memory::OfTools = modcli::memory::of_tools();

modcli::main!("insmod", insmod::run);
