//! Our Debian package in throwaway systems, alone and among what uses module tools, and the tools for another
//! architecture under an emulator. `cargo xtask packaging` builds what is tested and starts this as root.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod boot;
mod closed;
mod emulated;
mod prefix;
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Release};
use system::System;

const USAGE: &str = "usage: packaging TOOLS EMULATED-TOOLS PREFIX PACKAGE... -- [--debian 13] [NAME]...\n\
    TOOLS and EMULATED-TOOLS: directories of the same tools for this machine and for 64-bit ARM\n\
    PREFIX   where the tools were installed with everything else\n\
    PACKAGE  one of our packages\n\
    NAME     part of the names of the scenarios that are to run\n\
    With --debian 13 these are scenarios of the packages alone, in that release";

/// A scenario with this line leaves a machine that is to be booted.
const BOOTS: &str = "# What it leaves is booted.";

/// A scenario with this line is about Debian 12, its kmod, or its kernel.
const ONLY_ON_12: &str = "# Only on Debian 12.";

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
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = words.splitn(2, |word| word == "--");
    let (before, names) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let [tools, emulated, prefix, ours @ ..] = before else { anyhow::bail!(USAGE) };
    let ours: Vec<PathBuf> = ours.iter().map(PathBuf::from).collect();
    // The release, and which kmod it has.
    let (debian, kmod, names) = match names {
        [option, number, names @ ..] if option == "--debian" && number == "13" => ("13", "34", names),
        _ => ("12", "30", names),
    };
    ensure!(names.iter().all(|name| !name.starts_with('-')), USAGE);
    let mut results = Results { names, debian, passed: 0, failed: 0 };
    let cache = Cache::of_user()?;
    let reference = cache.kmod(Release::Kmod34.number());
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let common =
        format!("tools='{}' kmod={kmod}\n", suite::words()) + &fs::read_to_string(source.join("common.sh"))?;
    let (base, packages) = (cache.system(debian), [cache.kmod_packages()]);
    let alone = System { base: &base, packages: &packages, ours: &ours, reference: &reference };
    results.play(&alone, &common, &source.join("scenarios"))?;
    let with_users = cache.system_for_kernels(debian);
    let base = if debian == "13" { &base } else { &with_users };
    let library = System { base, packages: &packages, ours: &ours, reference: &reference };
    let shared = common.clone() + &fs::read_to_string(source.join("library.sh"))?;
    results.play(&library, &shared, &source.join("library"))?;
    let common = common
        + &fs::read_to_string(source.join("kernel.sh"))?
        + &fs::read_to_string(source.join("systemd.sh"))?;
    let packages = [cache.kernel_packages(debian), cache.caller_packages(debian)];
    let among = System { base: &with_users, packages: &packages, ours: &ours, reference: &reference };
    results.play(&among, &common, &source.join("surroundings"))?;
    if debian == "13" {
        return results.told();
    }
    results.count("installed-below-a-prefix", || prefix::works(prefix.as_ref()));
    results.count("started-with-nothing-open", || closed::tools_work(tools.as_ref()));
    let depmods = [tools, emulated].map(|directory| Path::new(directory).join("depmod"));
    results.count("emulated-depmod", || emulated::same_database(&depmods));
    results.told()
}

/// What is to run, and how it went so far.
struct Results<'a> {
    names: &'a [String],
    debian: &'a str,
    passed: usize,
    failed: usize,
}

impl Results<'_> {
    /// Plays the scenarios of a directory, each behind what they share.
    fn play(&mut self, system: &System<'_>, common: &str, directory: &Path) -> Result<()> {
        let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
        let mut scenarios = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        scenarios.sort();
        ensure!(!scenarios.is_empty(), "{}: no scenarios", directory.display());
        for scenario in scenarios {
            let name = scenario.file_stem().context("a scenario without a name")?.to_string_lossy();
            let text = fs::read_to_string(&scenario)?;
            if self.debian != "12" && text.contains(ONLY_ON_12) {
                continue;
            }
            self.count(&name, || {
                let work = tempfile::tempdir()?;
                system.play(&format!("{common}{text}"), work.path())?;
                if text.contains(BOOTS) { boot::boot(&work.path().join("out")) } else { Ok(()) }
            });
        }
        Ok(())
    }

    /// Prints how it went, and gives the number of failures.
    fn told(&self) -> Result<usize> {
        ensure!(self.passed + self.failed > 0, "no scenario is called {}", self.names.join(" or "));
        println!("{} passed, {} failed", self.passed, self.failed);
        Ok(self.failed)
    }

    /// Does one thing if it was chosen, and prints one line about it.
    fn count(&mut self, name: &str, play: impl FnOnce() -> Result<()>) {
        if !self.names.is_empty() && !self.names.iter().any(|part| name.contains(part.as_str())) {
            return;
        }
        let began = Instant::now();
        let result = play();
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                println!("ok      {name} ({seconds:.1} s)");
                self.passed += 1;
            }
            Err(error) => {
                println!("FAILED  {name} ({seconds:.1} s): {error:#}");
                self.failed += 1;
            }
        }
    }
}
