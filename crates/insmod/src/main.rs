//! `insmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<std::alloc::System> = modcli::memory::OrEnd(std::alloc::System);

modcli::main!("insmod", insmod::run);
