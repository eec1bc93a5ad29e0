//! `depmod`: see the library of the same name.

/// musl's own allocator makes two threads wait for each other, and maps and unmaps memory for nearly every module.
/// This one stands in for it also where the decompressors, which are C, ask for memory.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    modcli::run("depmod", depmod::run)
}
