//! `cargo xtask libkmod dependants`: whether the programs and libraries of Debian 12 and 13 that use libkmod find every
//! function, with its version, in ours: those that link it, and those that load it when it is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Release};

use super::{Build, LIBRARY, build};
use crate::{setup, shell};

/// Releases of Debian, and how many programs and libraries of each use the library, at least.
const RELEASES: [(&str, usize); 2] = [("bookworm", 25), ("trixie", 18)];

/// Downloads and unpacks the packages that apt knows to use the library, nothing is installed, and compares.
pub fn check() -> Result<()> {
    let exported = symbols(&build(Build::Shipped)?, "--defined-only")?;
    let cache = Cache::of_user()?;
    setup::kmod(&cache, Release::Kmod34)?;
    let theirs = cache.kmod(Release::Kmod34.number());
    let theirs = all_files(&theirs)?.into_iter().find(|path| path.to_string_lossy().contains(LIBRARY));
    let known = symbols(&theirs.context("kmod 34 without its library")?, "--defined-only")?;
    let mut wrong = Vec::new();
    for (codename, least) in RELEASES {
        let root = setup::users_of_the_library(&cache, codename)?;
        let mut count = 0;
        for file in all_files(&root)? {
            let (how, wanted) = match use_of(&file)? {
                None => continue,
                Some(Use::Links) => ("links", symbols(&file, "--undefined-only")?),
                Some(Use::Loads) => ("loads", named(&fs::read(&file)?, &known)),
            };
            count += 1;
            let missing: Vec<_> = wanted.difference(&exported).collect();
            let name = file.strip_prefix(&root).unwrap_or(&file).display();
            println!("{codename}: {name} {how} {} functions", wanted.len());
            if !missing.is_empty() || wanted.is_empty() {
                wrong.push(format!("{name}: {missing:?}"));
            }
        }
        ensure!(count >= least, "only {count} programs and libraries of {codename} use {LIBRARY}");
        println!("libkmod: {count} programs and libraries of {codename}");
    }
    ensure!(wrong.is_empty(), "functions that ours does not have: {}", wrong.join("; "));
    println!("libkmod: all find what they look for");
    Ok(())
}

/// How a file comes to the library.
enum Use {
    /// The dynamic loader brings it.
    Links,
    /// It opens it by its name, and asks for functions by theirs.
    Loads,
}

fn use_of(file: &Path) -> Result<Option<Use>> {
    let bytes = fs::read(file)?;
    if !bytes.starts_with(b"\x7FELF") {
        return Ok(None);
    }
    let output = Command::new("readelf").arg("--dynamic").arg(file).output().context("readelf")?;
    if String::from_utf8_lossy(&output.stdout).contains(&format!("[{LIBRARY}]")) {
        return Ok(Some(Use::Links));
    }
    Ok(strings(&bytes).any(|text| text == LIBRARY.as_bytes()).then_some(Use::Loads))
}

/// The functions that a file has the names of.
fn named(bytes: &[u8], known: &BTreeSet<String>) -> BTreeSet<String> {
    let names: BTreeSet<&[u8]> = strings(bytes).collect();
    let is_named = |symbol: &&String| {
        symbol.split('@').next().is_some_and(|function| names.contains(function.as_bytes()))
    };
    known.iter().filter(is_named).cloned().collect()
}

/// What ends with NUL, as strings do.
fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == 0).filter(|text| !text.is_empty())
}

/// The functions of the library among the symbols of a file, each with its version.
fn symbols(file: &Path, which: &str) -> Result<BTreeSet<String>> {
    let mut nm = Command::new("nm");
    let text = shell::output(nm.args(["--dynamic", "--with-symbol-versions", which]).arg(file))?;
    let symbols = text.lines().filter_map(|line| line.split_whitespace().last());
    Ok(symbols
        .map(|symbol| symbol.replace("@@", "@"))
        .filter(|symbol| symbol.contains("@LIBKMOD_"))
        .collect())
}

fn all_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in files(directory)? {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            all.extend(all_files(&path)?);
        } else if path.is_file() {
            all.push(path);
        }
    }
    Ok(all)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}
