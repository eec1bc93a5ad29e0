//! Our Debian package in a throwaway system, and the tools for another architecture under an emulator.
//! `cargo xtask packaging` builds what is tested and starts this as root.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod emulated;
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use system::System;

const USAGE: &str = "usage: packaging SYSTEM PACKAGES OURS DEPMOD EMULATED-DEPMOD\n\
    SYSTEM    root directory of a minimal Debian\n\
    PACKAGES  directory with kmod's packages of two releases\n\
    OURS      our package\n\
    DEPMOD and EMULATED-DEPMOD: the same tool for this machine and for 64-bit ARM";

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("packaging: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the number of failures.
fn run() -> Result<usize> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [base, packages, ours, depmod, emulated] = words.as_slice() else { anyhow::bail!(USAGE) };
    let system = System { base, packages, ours };
    let mut scenarios: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scenarios.sort();
    let common = Path::new(env!("CARGO_MANIFEST_DIR")).join("common.sh");
    let (mut passed, mut failed) = (0, 0);
    let mut count = |name: &str, result: Result<()>| match result {
        Ok(()) => {
            println!("ok      {name}");
            passed += 1;
        }
        Err(error) => {
            println!("FAILED  {name}: {error:#}");
            failed += 1;
        }
    };
    for scenario in &scenarios {
        let name = scenario.file_stem().context("a scenario without a name")?.to_string_lossy();
        count(&name, system.play(&common, scenario));
    }
    count("emulated-depmod", emulated::same_database(depmod, emulated));
    ensure!(passed + failed > 1, "no scenarios");
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}
