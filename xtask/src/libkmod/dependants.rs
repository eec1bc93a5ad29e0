//! `cargo xtask libkmod dependants`: whether the programs and libraries of Debian that link libkmod find every function,
//! with its version, in ours. Their packages come from the release that this machine's apt knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Build, LIBRARY, build};
use crate::{project, shell};

/// Packages with something that links the library, kmod's own tools aside.
const PACKAGES: [&str; 16] = [
    "bumblebee",
    "ddcutil",
    "dracut-core",
    "intel-gpu-tools",
    "libblockdev-utils2",
    "libcxl1",
    "libdaxctl1",
    "libndctl6",
    "libopeniscsiusr",
    "lttng-tools",
    "open-iscsi",
    "pciutils",
    "stress-ng",
    "systemd",
    "tcmu-runner",
    "udev",
];

/// Downloads and unpacks the packages below the target directory, nothing is installed, and compares.
pub fn check() -> Result<()> {
    let exported = symbols(&build(Build::Shipped)?, "--defined-only")?;
    let directory = project::target_directory()?.join("dependants");
    let root = directory.join("root");
    fs::create_dir_all(&root)?;
    let mut download = Command::new("apt-get");
    shell::quietly(download.args(["download", "--quiet"]).args(PACKAGES).current_dir(&directory))?;
    for package in files(&directory)?.iter().filter(|path| path.extension().is_some_and(|end| end == "deb")) {
        shell::quietly(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    }
    let (mut count, mut wrong) = (0, Vec::new());
    for file in all_files(&root)? {
        if !links_the_library(&file)? {
            continue;
        }
        count += 1;
        let wanted = symbols(&file, "--undefined-only")?;
        let missing: Vec<_> = wanted.difference(&exported).collect();
        let name = file.strip_prefix(&root).unwrap_or(&file).display();
        println!("{name}: {} functions", wanted.len());
        if !missing.is_empty() {
            wrong.push(format!("{name}: {missing:?}"));
        }
    }
    ensure!(count >= PACKAGES.len(), "only {count} programs and libraries link {LIBRARY}");
    ensure!(wrong.is_empty(), "functions that ours does not have: {}", wrong.join("; "));
    println!("libkmod: {count} programs and libraries find all that they link");
    Ok(())
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

fn links_the_library(file: &Path) -> Result<bool> {
    if !fs::read(file)?.starts_with(b"\x7FELF") {
        return Ok(false);
    }
    let output = Command::new("readelf").arg("--dynamic").arg(file).output().context("readelf")?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(&format!("[{LIBRARY}]")))
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
