//! `kmod`: all tools in one program, which is the one by whose name it is called.

#![cfg_attr(not(test), no_main)]

/// musl's own allocator asks the kernel for nearly every piece of memory, and these programs run for a millisecond.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<dlmalloc::GlobalDlmalloc> =
    modcli::memory::OrEnd(dlmalloc::GlobalDlmalloc);

#[cfg(not(target_env = "musl"))]
#[global_allocator]
static ALLOCATOR: modcli::memory::OrEnd<std::alloc::System> = modcli::memory::OrEnd(std::alloc::System);

modcli::main!(
    "modprobe", modprobe::run;
    "kmod", kmod::run;
    "lsmod", lsmod::run;
    "modinfo", modinfo::run;
    "rmmod", rmmod::run;
    "insmod", insmod::run;
    "depmod", depmod::run
);
