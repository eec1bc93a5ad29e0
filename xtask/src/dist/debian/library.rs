//! What is in the packages of the C library.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::super::layout::{self, put};
use crate::{libkmod, project, shell};

/// The name in the directory of libraries that its package's scripts give it.
const PLACED: &str = "libkmod.so.2.99.0";

/// What is said about the interface, and the release of kmod that it is that of.
const INTERFACE: &str = "34.2";

/// Lays out the library, out of the way: the package's scripts put it into its place.
pub fn content(root: &Path, library: &Path, triplet: &str) -> Result<()> {
    put(library, &root.join("usr/lib").join(triplet).join("modutils-rs").join(libkmod::LIBRARY), 0o644)?;
    dependencies(root, library)
}

/// Lays out what takes libkmod2's place. Its link is diverted, as libkmod2's would be, and leads nobody anywhere: by it
/// dpkg's tools find the package that a program needs.
pub fn in_place_of_libkmod2(root: &Path, library: &Path, triplet: &str) -> Result<()> {
    let directory = root.join("usr/lib").join(triplet);
    fs::create_dir_all(&directory)?;
    layout::link(PLACED, &directory.join(libkmod::LIBRARY))?;
    dependencies(root, library)
}

/// From what dpkg's tools make dependencies. Programs that are built with ours run with kmod's as well, and with whatever
/// provides libkmod2.
fn dependencies(root: &Path, library: &Path) -> Result<()> {
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control)?;
    fs::write(control.join("shlibs"), format!("libkmod 2 libkmod2 (>= {})\n", node_release("33")))?;
    fs::write(control.join("symbols"), symbols(library)?)?;
    Ok(())
}

/// Lays out what programs are built with.
pub fn for_builds(root: &Path, triplet: &str) -> Result<()> {
    below_prefix(&root.join("usr"), "/usr", &format!("lib/{triplet}"))
}

/// Puts header, link and description below `root`, which programs see as `prefix`.
pub fn below_prefix(root: &Path, prefix: &str, libraries: &str) -> Result<()> {
    let header = project::root().join("crates/libkmod/include/libkmod.h");
    put(&header, &root.join("include/libkmod.h"), 0o644)?;
    let directory = root.join(libraries);
    fs::create_dir_all(directory.join("pkgconfig"))?;
    layout::link(libkmod::LIBRARY, &directory.join("libkmod.so"))?;
    describe(&directory.join("pkgconfig/libkmod.pc"), prefix, libraries)
}

/// Writes what pkg-config tells of a library below a prefix.
fn describe(file: &Path, prefix: &str, libraries: &str) -> Result<()> {
    let template = project::root().join("crates/libkmod/libkmod.pc.in");
    let description = fs::read_to_string(template)?
        .replace("@PREFIX@", prefix)
        .replace("@LIBDIR@", &format!("${{prefix}}/{libraries}"))
        .replace("@VERSION@", INTERFACE);
    ensure!(!description.contains('@'), "libkmod.pc.in has a field without a value");
    fs::write(file, description).with_context(|| file.display().to_string())
}

/// The oldest glibc that has every symbol that the library needs, and that unpacks its relocations.
pub fn glibc(library: &Path) -> Result<String> {
    const UNPACKS_RELOCATIONS: [u32; 2] = [2, 36];
    let needed = dynamic_symbols(library, "--undefined-only")?;
    let versions = needed.lines().filter_map(|line| line.split_once("@GLIBC_"));
    let numbers = versions.filter_map(|(_, version)| {
        let parts: Result<Vec<u32>, _> = version.trim().split('.').map(str::parse).collect();
        parts.ok()
    });
    let highest = numbers.max().context("the library needs no symbol of glibc")?;
    let highest = highest.max(UNPACKS_RELOCATIONS.to_vec());
    Ok(highest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// The list from which `dpkg-shlibdeps` takes the release of libkmod2 that a program needs.
fn symbols(library: &Path) -> Result<String> {
    let exported = dynamic_symbols(library, "--defined-only")?;
    let mut releases = BTreeMap::new();
    for line in exported.lines() {
        let symbol = line.split_whitespace().last().unwrap_or_default().replace("@@", "@");
        let Some((_, node)) = symbol.split_once("@LIBKMOD_") else { continue };
        let release = node_release(node);
        releases.insert(symbol, release);
    }
    ensure!(releases.len() > 70, "{}: nm shows {} functions", library.display(), releases.len());
    let mut text = format!("{} libkmod2 #MINVER#\n", libkmod::LIBRARY);
    for (symbol, release) in releases {
        writeln!(text, " {symbol} {release}")?;
    }
    Ok(text)
}

/// The first release of kmod with a version node. The one called 30 came with release 33.
fn node_release(node: &str) -> String {
    format!("{}~", if node == "30" { "33" } else { node })
}

fn dynamic_symbols(library: &Path, which: &str) -> Result<String> {
    let mut nm = Command::new("nm");
    shell::output(nm.args(["-D", "--with-symbol-versions", which]).arg(library))
}
