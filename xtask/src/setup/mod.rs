//! Brings what the tests and comparisons need and this machine lacks. What is there already is left alone, so
//! that a second run touches neither the network nor the package manager.

mod archive;
mod packages;
mod sources;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use reference::{Cache, Program, Release};

use crate::dist::architecture::Architecture;
use crate::{project, shell};

/// Everything, in the order in which one thing needs another.
pub fn run() -> Result<()> {
    packages::install_missing()?;
    musl_target(project::MUSL_TARGET)?;
    musl_target(project::MUSL_TARGET_AARCH64)?;
    library_target(Architecture::Aarch64)?;
    let cache = Cache::of_user()?;
    archive::kmod(&cache, Release::Kmod30)?;
    archive::kmod(&cache, Release::Kmod34)?;
    archive::kernel(&cache)?;
    archive::busybox(&cache)?;
    archive::musl_headers(&cache, "arm64")?;
    for release in Release::ALL {
        println!("{release}: {}", Program::reference(&cache, release, "depmod")?.version()?);
    }
    println!("kernel: {}", cache.kernel()?.version);
    Ok(())
}

/// What building a static tool, a kernel's modules and the comparison with kmod 34 need, and nothing else.
pub fn modules() -> Result<Cache> {
    packages::install_missing_of(&["gcc", "musl-tools"])?;
    musl_target(project::MUSL_TARGET)?;
    let cache = Cache::of_user()?;
    archive::kernel(&cache)?;
    archive::kmod(&cache, Release::Kmod34)?;
    Ok(cache)
}

/// The same, and what the virtual machine needs.
pub fn machine() -> Result<Cache> {
    packages::install_missing_of(&["openssl", "qemu-system-x86"])?;
    let cache = modules()?;
    archive::busybox(&cache)?;
    Ok(cache)
}

/// The directory of the newer kernel on which the scenarios can run, fetched at its first use.
pub fn newer_kernel(cache: &Cache) -> Result<PathBuf> {
    archive::newer_kernel(cache)?;
    Ok(cache.newer_kernel_root())
}

/// What tests of the packages need: systems into which they are installed, kmod's packages and a kernel's; the systems
/// are of Debian 12, or one of Debian 13.
pub fn packaging(debian_13: bool) -> Result<()> {
    packages::install_missing_of(&[
        "debootstrap",
        "gcc",
        "gcc-aarch64-linux-gnu",
        "libc6-dev-arm64-cross",
        "musl-tools",
        "openssl",
        "qemu-system-x86",
        "qemu-user-static",
        "strace",
        "util-linux",
    ])?;
    musl_target(project::MUSL_TARGET)?;
    musl_target(project::MUSL_TARGET_AARCH64)?;
    library_target(Architecture::Aarch64)?;
    let cache = Cache::of_user()?;
    archive::musl_headers(&cache, "arm64")?;
    archive::kmod(&cache, Release::Kmod34)?;
    archive::kmod_packages(&cache)?;
    let (debian, codename, alone, elf): (_, _, &[&str], _) = if debian_13 {
        ("13", "trixie", &USERS_OF_THE_LIBRARY, "libelf1t64")
    } else {
        ("12", "bookworm", &["bash-completion", "kmod", "man-db"], "libelf1")
    };
    let users = [&USERS_OF_MODULE_TOOLS[..], &[elf]].concat();
    archive::kernel_packages(&cache, debian, codename)?;
    archive::caller_packages(&cache, debian, codename)?;
    archive::system(&cache, &cache.system(debian), codename, alone)?;
    archive::system(&cache, &cache.system_for_kernels(debian), codename, &users)
}

/// A Debian of that name in which somebody could begin: with a C compiler, and certificates for Cargo's downloads.
pub fn bare(codename: &str) -> Result<PathBuf> {
    packages::install_missing_of(&["debootstrap", "git", "util-linux"])?;
    let cache = Cache::of_user()?;
    let target = cache.directory().join(format!("bare-{codename}"));
    archive::system(&cache, &target, codename, &["ca-certificates", "gcc", "libc6-dev"])?;
    Ok(target)
}

/// Debian packages that call module tools, and what these need to do their work.
const USERS_OF_MODULE_TOOLS: [&str; 12] = [
    "busybox-static",
    "cpio",
    "dkms",
    "dracut-core",
    "e2fsprogs",
    "gcc",
    "initramfs-tools",
    "kmod",
    "libc6-dev",
    "make",
    "systemd-sysv",
    "zstd",
];

/// What has the tools and the C library of kmod in use, and what builds against them.
const USERS_OF_THE_LIBRARY: [&str; 7] =
    ["bash-completion", "gcc", "kmod", "libc6-dev", "man-db", "systemd-sysv", "udev"];

/// The packages of a Debian release that use the C library, unpacked.
pub fn users_of_the_library(cache: &Cache, codename: &str) -> Result<PathBuf> {
    archive::users_of_the_library(cache, codename)
}

/// A release of kmod, for those that compare with more than one.
pub fn kmod(cache: &Cache, release: Release) -> Result<()> {
    archive::kmod(cache, release)
}

/// A target of the static binaries that are shipped.
fn musl_target(target: &str) -> Result<()> {
    rust_target(target, "native binaries are tested instead")
        .context("the static binaries that are shipped need this target")
}

/// The target of the C library that is shipped for another architecture.
fn library_target(architecture: Architecture) -> Result<()> {
    let target = architecture.glibc_target();
    rust_target(&target, "the C library is built for this machine only")
        .context("the C library for another architecture needs this target")
}

/// Adds a target to the toolchain; where nothing can add it, what becomes of that is said.
fn rust_target(target: &str, otherwise: &str) -> Result<()> {
    if project::target_installed(target) {
        return Ok(());
    }
    if !shell::exists("rustup") {
        let why = format!("no rustup, and this toolchain has no such target; {otherwise}");
        return shell::skipped(target, &why);
    }
    shell::run(Command::new("rustup").args(["target", "add", target]))
}
