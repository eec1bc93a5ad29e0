//! `depmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

/// musl's own allocator makes two threads wait for each other, and maps and unmaps memory for nearly every module.
/// This one stands in for it also where the decompressors, which are C, ask for memory.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

modcli::main!("depmod", depmod::run);
