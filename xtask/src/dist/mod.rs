//! `cargo xtask dist`: what people install, for each architecture a tarball and Debian packages, and
//! `cargo xtask install`, which puts the same files below a prefix.
//!
//! The tools in them are static and need nothing of the system that they run on. The C library needs glibc.

pub mod architecture;
mod debian;
mod layout;
pub mod reproducible;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{libkmod, project, shell};
use architecture::Architecture;

const USAGE: &str = "usage: cargo xtask dist [x86_64|aarch64]\n       cargo xtask install --prefix DIR";

/// What tests need of the results.
pub struct Shipped {
    /// The Debian packages for this machine.
    pub packages: Vec<PathBuf>,
    /// The directory of the tools for this machine.
    pub tools: PathBuf,
    /// The same for 64-bit ARM.
    pub emulated_tools: PathBuf,
}

/// Builds tarballs and packages for all architectures.
pub fn all() -> Result<Shipped> {
    let mut packages = Vec::new();
    for architecture in Architecture::ALL {
        let made = ship(architecture)?;
        if architecture.is_of_this_machine() {
            packages = made;
        }
    }
    Ok(Shipped {
        packages,
        tools: Architecture::X86_64.directory()?,
        emulated_tools: Architecture::Aarch64.directory()?,
    })
}

/// Builds tarballs and packages, for all architectures or the one that is named.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        [] => all().map(|_| ()),
        [name] => {
            let architecture =
                Architecture::named(name).with_context(|| format!("no architecture '{name}'\n{USAGE}"))?;
            ship(architecture).map(|_| ())
        }
        _ => bail!(USAGE),
    }
}

/// Builds the tarball and the packages of an architecture; the packages.
fn ship(architecture: Architecture) -> Result<Vec<PathBuf>> {
    let out = output_directory()?;
    fs::create_dir_all(&out)?;
    let time = source_time()?;
    let program = architecture.build()?;
    architecture::ensure_static(&program)?;
    let tarball = tarball(&out, &program, architecture, &time)?;
    let maker = debian::Maker { out: &out, architecture, time: &time };
    let mut packages = maker.tools(&program)?;
    if let Some(library) = libkmod::build_for(architecture, libkmod::Build::Shipped)? {
        packages.extend(maker.library(&library)?);
    }
    for file in std::iter::once(&tarball).chain(&packages) {
        println!("{} ({} KiB)", file.display(), fs::metadata(file)?.len() / 1024);
    }
    Ok(packages)
}

/// Builds the program for this machine and puts everything below a prefix.
pub fn install(options: &[&str]) -> Result<()> {
    let ["--prefix", prefix] = options else { bail!(USAGE) };
    let program = project::build(project::PROGRAM)?.path;
    let prefix = std::path::absolute(prefix)?;
    layout::below_prefix(&prefix, &program)?;
    println!("installed below {}", prefix.display());
    Ok(())
}

/// Builds the C library for this machine and puts it below a prefix, with what programs are built with.
pub fn install_library(prefix: &Path) -> Result<()> {
    const LIBRARIES: &str = "lib";
    let library = libkmod::build(libkmod::Build::Shipped)?;
    let prefix = std::path::absolute(prefix)?;
    layout::put(&library, &prefix.join(LIBRARIES).join(libkmod::LIBRARY), 0o644)?;
    debian::library::below_prefix(&prefix, &prefix.to_string_lossy(), LIBRARIES)?;
    println!("installed below {}", prefix.display());
    Ok(())
}

/// The version that every package of the workspace has.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Where the results go.
fn output_directory() -> Result<PathBuf> {
    Ok(project::target_directory()?.join("dist"))
}

/// The time that all files bear, in seconds: that of the last commit, so that one commit makes one result.
fn source_time() -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(project::root()).args(["log", "-1", "--format=%ct"]);
    Ok(shell::output(&mut git)?.trim().to_owned())
}

fn tarball(out: &Path, program: &Path, architecture: Architecture, time: &str) -> Result<PathBuf> {
    let name = format!("modutils-rs-{}-{}", version(), architecture.name());
    let work = tempfile::tempdir_in(out)?;
    layout::below_prefix(&work.path().join(&name), program)?;
    let file = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(&file).arg("--directory").arg(work.path());
    tar.args(["--use-compress-program=gzip -9n", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{time}")).arg(&name);
    shell::run(&mut tar)?;
    Ok(file)
}
