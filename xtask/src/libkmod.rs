//! `cargo xtask libkmod`: the C library. Cargo makes an archive of it; what makes a libkmod.so.2 of the archive, the
//! versions of its symbols above all, is the C compiler's to link.
//!
//! An archive and not a `cdylib`: rustc hands a list of exports of its own to the linker, which takes no second one
//! with versions beside it; and a `cdylib` needs libgcc_s, where the archive takes what it needs of it inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{project, shell};

/// The file that programs load; its name never changes.
const LIBRARY: &str = "libkmod.so.2";

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

/// Options: nothing builds the library, `test` runs the C tests on it and on kmod's.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        [] => {
            let library = build(Build::Shipped)?;
            println!("{}: {} bytes", library.display(), fs::metadata(&library)?.len());
            Ok(())
        }
        ["test", rest @ ..] => test(rest),
        _ => bail!("usage: cargo xtask libkmod [test [--only TEXT] [--record]]"),
    }
}

/// The tests, on a library built as tests are.
pub fn test(options: &[&str]) -> Result<()> {
    let library = build(Build::Tests)?;
    let mut tests = project::cargo();
    tests.args(["run", "--quiet", "--package", "libkmod-c", "--", "--ours"]).arg(library).args(options);
    shell::run(&mut tests)
}

/// Builds the library; its path.
pub fn build(how: Build) -> Result<PathBuf> {
    let (profile, directory) = how.profile();
    let mut archive = project::cargo();
    archive.args(["rustc", "--quiet", "--package", "libkmod", "--lib", "--crate-type", "staticlib"]);
    archive.args(["--features", "symbol-versions", "--profile", profile]);
    shell::run(&mut archive)?;
    let directory = project::target_directory()?.join(directory);
    let library = directory.join("lib").join(LIBRARY);
    fs::create_dir_all(directory.join("lib"))?;
    link(&directory.join("liblibkmod.a"), &library)?;
    if how == Build::Shipped {
        shell::quietly(Command::new("strip").arg("--strip-unneeded").arg(&library))?;
    }
    Ok(library)
}

fn link(archive: &Path, library: &Path) -> Result<()> {
    ensure!(archive.is_file(), "{}: not built", archive.display());
    let map = project::root().join("crates/libkmod/libkmod.map");
    let mut script = std::ffi::OsString::from("-Wl,--version-script=");
    script.push(map);
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-o"]).arg(library).arg(format!("-Wl,-soname,{LIBRARY}")).arg(script);
    cc.args(["-Wl,--gc-sections", "-Wl,-O1", "-Wl,--as-needed", "-Wl,-z,relro,-z,now", "-Wl,-z,defs"]);
    cc.arg("-Wl,--whole-archive").arg(archive).arg("-Wl,--no-whole-archive");
    // What unwinds a panic to the boundary is inside; the system's libgcc_s would be one more library to load.
    cc.args(["-static-libgcc", "-lgcc_eh"]);
    shell::run(&mut cc).context("linking libkmod.so.2")
}
