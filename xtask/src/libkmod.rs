//! `cargo xtask libkmod`: the C library, and what is asked of it.

mod build;
mod dependants;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

pub use build::{Build, build, build_for};

use crate::dist::architecture::Architecture;
use crate::{dist, project, shell};

/// The name that programs load; it never changes.
pub const LIBRARY: &str = "libkmod.so.2";

/// The largest library that is shipped, in bytes.
pub const LARGEST: u64 = 600_000;

const USAGE: &str = "\
usage: cargo xtask libkmod [--target ARCHITECTURE | dependants | install --prefix DIR | miri | tools]
       cargo xtask libkmod test [--shipped | --target ARCHITECTURE] [--only TEXT] [--record] [--memcheck | --asan]";

/// Options: nothing builds the library, for this machine or the architecture after `--target`; `install` puts it below a
/// prefix, `dependants` looks whether Debian's programs find all that they use, `tools` tests our own tools with it, `test`
/// runs the C tests on it and on kmod's; with `--memcheck` or `--asan` on ours alone, each access to memory checked; with
/// `--target` on ours for this machine and, emulated, for that architecture. `miri` interprets the unit tests.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        [] => show(&build(Build::Shipped)?),
        ["--target", name] => {
            build_for(named(name)?, Build::Shipped)?.map_or(Ok(()), |library| show(&library))
        }
        ["dependants"] => dependants::check(),
        ["tools"] => with_tools(),
        ["miri"] => miri(),
        ["install", "--prefix", prefix] => dist::install_library(Path::new(prefix)),
        ["test", "--shipped", rest @ ..] => {
            let library = build(Build::Shipped)?;
            is_small(&library)?;
            run_tests(&library, rest)
        }
        ["test", "--target", name, rest @ ..] => test_emulated(named(name)?, rest),
        ["test", rest @ ..] => test(rest),
        _ => bail!(USAGE),
    }
}

fn named(name: &str) -> Result<Architecture> {
    Architecture::named(name).with_context(|| format!("no architecture '{name}'\n{USAGE}"))
}

/// Tells where the library is, and its size, which has a limit.
fn show(library: &Path) -> Result<()> {
    println!("{}: {} bytes", library.display(), fs::metadata(library)?.len());
    is_small(library)
}

/// The library's unit tests, as far as they call no C, in the interpreter that finds undefined behaviour. It belongs to a
/// nightly toolchain, which nothing else here needs.
fn miri() -> Result<()> {
    let mut version = project::nightly_cargo();
    if !version.args(["miri", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return shell::skipped("the library's unit tests in Miri", "no nightly toolchain with Miri");
    }
    let mut test = project::nightly_cargo();
    test.args(["miri", "test", "--locked", "--package", "libkmod", "--lib"]);
    test.arg("--target-dir").arg(project::target_directory()?.join("miri"));
    // It knows the C library's functions, not the system calls below.
    test.env("RUSTFLAGS", "--cfg rustix_use_libc").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    shell::run(test.current_dir(project::root()))
}

/// The tests, on a library built as tests are.
pub fn test(options: &[&str]) -> Result<()> {
    let library = build(Build::Tests)?;
    run_tests(&library, options)
}

/// Holds a library that is to be shipped to its size.
///
/// # Errors
/// It is too large.
pub fn is_small(library: &Path) -> Result<()> {
    let size = fs::metadata(library)?.len();
    ensure!(size <= LARGEST, "{}: {size} bytes, {LARGEST} are the limit", library.display());
    Ok(())
}

/// The tests on the library as it is shipped for an architecture, run by an emulator; each must print what it prints on the
/// library for this machine, which [`test()`] compares with kmod's.
fn test_emulated(architecture: Architecture, options: &[&str]) -> Result<()> {
    let name = architecture.name();
    if architecture.is_of_this_machine() {
        bail!("{name} is this machine's architecture, which needs no emulator: test --shipped");
    }
    let emulator = format!("qemu-{name}-static");
    if !shell::exists(&emulator) {
        let why = format!("no {emulator}; cargo xtask setup brings it");
        return shell::skipped(&format!("C programs on the library for {name}"), &why);
    }
    let Some(library) = build_for(architecture, Build::Shipped)? else { return Ok(()) };
    show(&library)?;
    let library = library.to_string_lossy();
    run_tests(&build(Build::Tests)?, &[&["--emulated", name, &*library], options].concat())
}

fn run_tests(library: &Path, options: &[&str]) -> Result<()> {
    let mut tests = project::cargo();
    tests.args(["run", "--quiet", "--package", "libkmod-c", "--", "--ours"]).arg(library).args(options);
    shell::run(&mut tests)
}

/// A command whose programs load this library, and not the system's.
pub fn loaded_first<'c>(command: &'c mut Command, library: &Path) -> Result<&'c mut Command> {
    let directory = library.parent().context("a library is in a directory")?;
    Ok(command.env("LD_LIBRARY_PATH", directory))
}

/// Builds modprobe and rmmod with libkmod in the place of system calls, on our header and our library, and runs their
/// tests on it.
fn with_tools() -> Result<()> {
    let library = build(Build::Tests)?;
    let directory = library.parent().context("a library is in a directory")?;
    let for_linkers = directory.join("libkmod.so");
    if !for_linkers.is_symlink() {
        std::os::unix::fs::symlink(LIBRARY, for_linkers)?;
    }
    let mut include = std::ffi::OsString::from("-I");
    include.push(project::root().join("crates/libkmod/include"));
    let mut tests = project::cargo();
    tests.args(["test", "--package", "modprobe", "--package", "rmmod"]);
    tests.args(["--features", "modprobe/libkmod,rmmod/libkmod"]);
    // Of its own: the linker's choice is no part of what cargo compares.
    tests.arg("--target-dir").arg(project::target_directory()?.join("on-our-libkmod"));
    tests.env("BINDGEN_EXTRA_CLANG_ARGS", include).env("LIBRARY_PATH", directory);
    shell::run(loaded_first(&mut tests, &library)?)
}
