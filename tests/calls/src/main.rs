//! The release builds under strace, in roots made for the purpose: that a modprobe which the kernel called asks
//! the kernel for nothing dangerous, that every tool starts without open descriptors and says why it cannot read
//! its configuration, and that a pass of `rmmod -a` with nothing to do is cheap. `cargo xtask calls` builds what is
//! checked and starts this.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod allowed;
mod autoclean;
mod fakechroot;
mod faults;
mod kernel_form;
mod startup;
mod trace;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use world::Build;

const USAGE: &str = "usage: calls check NAME=DIRECTORY...\n       calls measure DIRECTORY SHELL\n\
    NAME of a build of the tools, and the DIRECTORY that holds them; the first one is static and is looked at closely\n\
    SHELL: a static program that is a shell when called sh";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("calls: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all went well.
fn run(words: &[String]) -> Result<bool> {
    match words {
        [what, builds @ ..] if what == "check" && !builds.is_empty() => check(builds),
        [what, directory, shell] if what == "measure" => {
            autoclean::measure(Build(Path::new(directory)), Path::new(shell))?;
            Ok(true)
        }
        _ => bail!(USAGE),
    }
}

fn check(builds: &[String]) -> Result<bool> {
    let mut named = Vec::new();
    for build in builds {
        let Some((name, directory)) = build.split_once('=') else { bail!(USAGE) };
        named.push((name, PathBuf::from(directory)));
    }
    let mut checks = Vec::new();
    for (name, directory) in &named {
        checks.extend(startup::checks(name, Build(directory)));
        checks.extend(faults::checks(name, Build(directory)));
    }
    if let Some((_, directory)) = named.first() {
        checks.extend(fakechroot::checks(Build(directory)));
        checks.extend(kernel_form::checks(Build(directory)));
        checks.extend(autoclean::checks(Build(directory)));
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, outcome) in checks {
        match outcome {
            Ok(()) => {
                println!("ok      {name}");
                passed += 1;
            }
            Err(error) => {
                println!("FAILED  {name}: {error:#}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}
