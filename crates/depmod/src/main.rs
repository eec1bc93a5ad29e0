//! `depmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

/// musl's own allocator makes two threads wait for each other, and maps and unmaps memory for nearly every module.
/// This one stands in for it also where the decompressors, which are C, ask for memory.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<mimalloc::MiMalloc> = modcli::memory::OrEnd(mimalloc::MiMalloc);

#[cfg(not(target_env = "musl"))]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<std::alloc::System> = modcli::memory::OrEnd(std::alloc::System);

modcli::main!("depmod", depmod::run);
