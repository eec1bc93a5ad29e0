//! `depmod`: see the library of the same name.

/// musl's own allocator makes two threads wait for each other, and a system call of nearly every module.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    modcli::run("depmod", depmod::run)
}
