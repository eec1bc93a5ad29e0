//! `cargo xtask calls`: the builds of our tools under strace, each in roots made for the purpose; and
//! `cargo xtask bench autoclean`, which measures a pass of `rmmod -a` there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use suite::TOOLS;

use crate::project::{self, PROGRAM};
use crate::{setup, shell};

/// The static release build as it is shipped, the dynamic one, and the one of tests, which is not stripped.
pub fn run() -> Result<()> {
    if !possible()? {
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let shipped = shipped(&work.path().join("static"))?;
    let mut builds = vec![format!("static={}", shipped.display())];
    let target = project::target_directory()?;
    for (name, profile, options) in
        [("dynamic", "release", &["--release"][..]), ("development", "debug", &[])]
    {
        let mut build = project::cargo();
        shell::run(build.arg("build").args(options).args(["--package", PROGRAM]))?;
        let directory = work.path().join(name);
        for tool in TOOLS {
            copy(&target.join(profile).join(PROGRAM), &directory.join(tool))?;
        }
        builds.push(format!("{name}={}", directory.display()));
    }
    shell::run(harness().arg("check").args(builds))
}

/// How long a pass of autoclean with nothing to do takes.
pub fn time_of_a_pass() -> Result<()> {
    if !possible()? {
        return Ok(());
    }
    let cache = setup::machine()?;
    let release = tempfile::tempdir()?;
    let shipped = shipped(release.path())?;
    let busybox = cache.directory().join("busybox/bin/busybox");
    shell::run(harness().arg("measure").arg(shipped).arg(busybox))
}

/// The tools as they are shipped, copied to a directory.
fn shipped(directory: &Path) -> Result<PathBuf> {
    for tool in TOOLS {
        let built = project::build(tool)?;
        println!("{tool}: {}", built.description);
        copy(&built.path, &directory.join(tool))?;
    }
    Ok(directory.to_owned())
}

/// Copies a program, and makes the directory for it.
fn copy(program: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file without a directory")?)?;
    fs::copy(program, to).with_context(|| program.display().to_string())?;
    Ok(())
}

fn harness() -> Command {
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "calls", "--"]);
    command
}

/// Whether strace and user namespaces are available; if not, that is reported.
fn possible() -> Result<bool> {
    for program in ["strace", "unshare", "ldd"] {
        if !shell::exists(program) {
            return shell::skipped("system calls of our tools", &format!("no {program}")).map(|()| false);
        }
    }
    if !Command::new("unshare").args(["-Ur", "true"]).status().is_ok_and(|status| status.success()) {
        return shell::skipped("system calls of our tools", "no user namespaces").map(|()| false);
    }
    Ok(true)
}
