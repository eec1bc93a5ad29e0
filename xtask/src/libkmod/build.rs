//! Cargo makes an archive of the C library; what makes a libkmod.so.2 of the archive, the versions of its symbols above
//! all, is up to the C compiler.
//!
//! An archive and not a `cdylib`: rustc hands a list of exports of its own to the linker, which takes no second one
//! with versions beside it; and a `cdylib` needs libgcc_s, where the archive takes what it needs of it inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::LIBRARY;
use crate::dist::architecture::Architecture;
use crate::{project, shell};

/// The versions of its interface, as in `libkmod.map`.
const VERSIONS: [&str; 5] = ["LIBKMOD_5", "LIBKMOD_6", "LIBKMOD_22", "LIBKMOD_30", "LIBKMOD_33"];

/// How the library is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As it is shipped: small, which takes minutes.
    Shipped,
    /// As tests are.
    Tests,
}

impl Build {
    /// Cargo's name of the profile, and of its directory.
    fn profile(self) -> (&'static str, &'static str) {
        match self {
            Self::Shipped => ("libkmod", "libkmod"),
            Self::Tests => ("dev", "debug"),
        }
    }
}

/// What makes machine code: for this machine, or for another.
struct Toolchain {
    /// What Cargo is told to build for; nothing for this machine.
    target: Option<String>,
    /// Rust's name of the processor.
    processor: &'static str,
    /// The C compiler, which also calls the linker.
    compiler: String,
}

impl Toolchain {
    fn of_this_machine() -> Self {
        Self { target: None, processor: std::env::consts::ARCH, compiler: "cc".to_owned() }
    }

    fn for_other(architecture: Architecture) -> Self {
        Self {
            target: Some(architecture.glibc_target()),
            processor: architecture.name(),
            compiler: architecture.cross_compiler(),
        }
    }

    /// What crates with C parts read: the name of a setting, for this machine's target or the other.
    fn setting(&self, name: &str) -> String {
        format!("{name}_{}_unknown_linux_gnu", self.processor)
    }
}

/// Builds the library for this machine; its path.
pub fn build(how: Build) -> Result<PathBuf> {
    build_with(&Toolchain::of_this_machine(), how)
}

/// Builds the library for an architecture; its path, or nothing where something is missing that it takes, which is said.
pub fn build_for(architecture: Architecture, how: Build) -> Result<Option<PathBuf>> {
    if architecture.is_of_this_machine() {
        return build(how).map(Some);
    }
    if let Some(why) = architecture.missing_for_glibc() {
        let what = format!("the C library for {}", architecture.name());
        shell::skipped(&what, &format!("{why}; cargo xtask setup brings it"))?;
        return Ok(None);
    }
    build_with(&Toolchain::for_other(architecture), how).map(Some)
}

fn build_with(toolchain: &Toolchain, how: Build) -> Result<PathBuf> {
    let (profile, directory) = how.profile();
    let target = project::target_directory()?;
    // Objects that the linker optimises are of no use to any other build.
    let target = if how == Build::Shipped { target.join("linked") } else { target };
    let mut archive = project::cargo();
    archive.args(["rustc", "--quiet", "--package", "libkmod", "--lib", "--crate-type", "staticlib"]);
    archive.args(["--features", "symbol-versions", "--profile", profile]).arg("--target-dir").arg(&target);
    let mut of_target = target;
    if let Some(other) = &toolchain.target {
        archive.args(["--target", other]).env(toolchain.setting("CC"), &toolchain.compiler);
        of_target.push(other);
    }
    if how == Build::Shipped {
        let (mut for_rust, for_c) = project::other_names_of_places(project::root())?;
        for_rust.extend(COMPILED_SMALL.map(str::to_owned));
        archive.env("CARGO_ENCODED_RUSTFLAGS", for_rust.join("\x1f"));
        archive.env(toolchain.setting("CFLAGS"), format!("{SMALL_DECOMPRESSORS} {}", for_c.join(" ")));
    }
    shell::run(&mut archive)?;
    let directory = of_target.join(directory);
    let library = directory.join("lib").join(LIBRARY);
    fs::create_dir_all(directory.join("lib"))?;
    let archive = directory.join("liblibkmod.a");
    let silent = silent_printers(toolchain, &archive, &directory)?;
    link(toolchain, how, &archive, &silent, &library)?;
    Ok(library)
}

/// Optimised by the linker; and a frame pointer in each function, which makes what a table has to say of how to
/// unwind it shorter by more than the function gets longer (8 kB).
const COMPILED_SMALL: [&str; 2] = ["-Clinker-plugin-lto", "-Cforce-frame-pointers=yes"];

/// How the linker makes it small. Relocations are packed, which glibc 2.36 understands, Debian 12's (17 kB); functions
/// of the same code are one, before (2 kB) and after code is made; and less is inlined than a function's own
/// size would pay for (4 kB).
const LINKED_SMALL: [&str; 4] = [
    "-Wl,-z,pack-relative-relocs",
    "-Wl,--icf=all",
    "-Wl,-mllvm,-enable-merge-functions=true",
    "-Wl,-mllvm,-inline-threshold=8",
];

/// One way of zstd's to decode instead of several, the faster ones for data that modules are not, and no table of
/// how C code unwinds, which it never does. The rest is what liblzma's configure script would find out.
const SMALL_DECOMPRESSORS: &str = "-DDYNAMIC_BMI2=0 -DHUF_FORCE_DECOMPRESS_X1 \
    -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DZSTD_STRIP_ERROR_STRINGS -fno-asynchronous-unwind-tables \
    -DTUKLIB_FAST_UNALIGNED_ACCESS=1 -DHAVE_FUNC_ATTRIBUTE_CONSTRUCTOR=1";

/// What the standard library prints, by parts of its functions' names, the last one at the end: the stack trace of a
/// panic, the message of a panic without a hook, and that there is no memory. Panics end at the boundary, there is
/// nobody to print for, and file descriptor 2 may be anything.
const PRINTERS: [(&[&str], &str); 3] = [
    (&["BacktraceLock5print", "16DisplayBacktrace", "7Display3fmt"], "int {}(const void *self, void *f)"),
    (&["3std9panicking", "12default_hook"], "void {}(const void *info)"),
    (&["3std5alloc", "24default_alloc_error_hook"], "void {}(unsigned long align, unsigned long size)"),
];

/// An object that stands in for what prints panics in the standard library. A fifth of the library would be for it
/// alone, and it would map the library's file into the caller's memory to find the names of functions. Nothing for
/// what this toolchain calls otherwise; then it stays, unused.
fn silent_printers(toolchain: &Toolchain, archive: &Path, directory: &Path) -> Result<Option<PathBuf>> {
    let mut readelf = Command::new("readelf");
    let output = readelf.args(["--symbols", "--wide"]).arg(archive).output().context("readelf")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let symbols = text.lines().filter(|line| line.contains(" FUNC ") && line.contains(" GLOBAL "));
    let names: Vec<&str> = symbols.filter_map(|line| line.split_whitespace().last()).collect();
    let mut silent = String::new();
    for (parts, head) in PRINTERS {
        let last = parts.last().context("a name has parts")?;
        let mut found = names.iter().filter(|name| parts.iter().all(|part| name.contains(part)));
        if let Some(name) = found.find(|name| name.ends_with(last)) {
            // One that succeeds: 0 is `Ok(())`.
            let body = if head.starts_with("int") { "return 0;" } else { "" };
            silent.push_str(&format!("{} {{ {body} }}\n", head.replace("{}", name)));
        }
    }
    if silent.is_empty() {
        return Ok(None);
    }
    let source = directory.join("silent.c");
    let object = directory.join("silent.o");
    fs::write(&source, silent)?;
    let mut cc = Command::new(&toolchain.compiler);
    shell::quietly(cc.args(["-O2", "-fPIC", "-c", "-o"]).arg(&object).arg(&source))?;
    Ok(Some(object))
}

fn link(
    toolchain: &Toolchain,
    how: Build,
    archive: &Path,
    silent: &Option<PathBuf>,
    library: &Path,
) -> Result<()> {
    ensure!(archive.is_file(), "{}: not built", archive.display());
    let map = project::root().join("crates/libkmod/libkmod.map");
    let mut script = std::ffi::OsString::from("-Wl,--version-script=");
    script.push(map);
    let mut cc = Command::new(&toolchain.compiler);
    cc.args(["-shared", "-o"]).arg(library).arg(format!("-Wl,-soname,{LIBRARY}")).arg(script);
    cc.args(["-Wl,--gc-sections", "-Wl,-O2", "-Wl,--as-needed", "-Wl,-z,relro,-z,now", "-Wl,-z,defs"]);
    if how == Build::Shipped {
        // The toolchain's own linker understands what its compiler has left undone.
        let mut linkers = std::ffi::OsString::from("-B");
        linkers.push(toolchain_linkers()?);
        cc.arg(linkers).args(["-fuse-ld=lld", "-Wl,--undefined-version", "-s"]).args(LINKED_SMALL);
        // Other linkers give each version a symbol, which tools for packages look at.
        cc.args(VERSIONS.map(|version| format!("-Wl,--defsym={version}=0")));
    }
    // The first of two definitions counts.
    cc.arg("-Wl,-z,muldefs").args(silent);
    cc.arg("-Wl,--whole-archive").arg(archive).arg("-Wl,--no-whole-archive");
    // What unwinds a panic to the boundary is inside; the system's libgcc_s would be one more library to load.
    cc.args(["-static-libgcc", "-lgcc_eh"]);
    shell::run(&mut cc).context("linking libkmod.so.2")
}

fn toolchain_linkers() -> Result<PathBuf> {
    let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let directory = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/gcc-ld");
    ensure!(directory.is_dir(), "{}: this toolchain brings no linker", directory.display());
    Ok(directory)
}
