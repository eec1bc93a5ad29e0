//! `modprobe`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

/// musl's own allocator asks the kernel for nearly every piece of memory, and this program runs for a millisecond.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<dlmalloc::GlobalDlmalloc> =
    modcli::memory::OrEnd(dlmalloc::GlobalDlmalloc);

#[cfg(not(target_env = "musl"))]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<std::alloc::System> = modcli::memory::OrEnd(std::alloc::System);

modcli::main!("modprobe", modprobe::run);
