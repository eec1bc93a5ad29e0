//! `cargo xtask calls`: the builds of our tools under strace, each in roots made for the purpose; and
//! `cargo xtask bench autoclean`, which measures a pass of `rmmod -a` there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use suite::TOOLS;

use crate::{project, setup, shell};

/// The static release build as it is shipped, the dynamic one, and the one of tests, which is not stripped.
pub fn run() -> Result<()> {
    if !possible()? {
        return Ok(());
    }
    let release = tempfile::tempdir()?;
    let shipped = shipped(release.path())?;
    let mut builds = vec![format!("static={}", shipped.display())];
    let target = project::target_directory()?;
    for (name, profile, options) in
        [("dynamic", "release", &["--release"][..]), ("development", "debug", &[])]
    {
        let mut build = project::cargo();
        build.arg("build").args(options);
        shell::run(build.args(TOOLS.iter().flat_map(|tool| ["--package", tool])))?;
        builds.push(format!("{name}={}", target.join(profile).display()));
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
        fs::copy(&built.path, directory.join(tool)).with_context(|| built.path.display().to_string())?;
    }
    Ok(directory.to_owned())
}

fn harness() -> Command {
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "calls", "--"]);
    command
}

/// Whether strace and user namespaces are to be had; if not, that is said.
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
