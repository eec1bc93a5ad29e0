//! `cargo xtask vm`: builds our tools and hands them to the harness that runs them on a real kernel in QEMU.
//!
//! Where a tool of ours is not in the workspace, kmod 34's stands in for it. That is said, and the scenarios that
//! only ours can pass are left out then.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Release};
use tempfile::TempDir;

use crate::{project, setup, shell};

/// The tools that a machine needs.
const TOOLS: [&str; 3] = ["depmod", "modprobe", "rmmod"];

/// Names in the root of an unpacked package below which a tool, its loader or its libraries may lie.
const SYSTEM: [&str; 5] = ["usr", "bin", "sbin", "lib", "lib64"];

/// The tools under test, in a directory of their own.
pub struct Subject {
    directory: TempDir,
    /// Which of them are kmod 34's.
    borrowed: Vec<&'static str>,
}

/// The tools that the workspace does not hold yet.
pub fn missing() -> Vec<&'static str> {
    TOOLS.into_iter().filter(|tool| !project::holds(tool)).collect()
}

/// Runs the scenarios that the options select, as the harness understands them. With `--reference` all tools are
/// kmod 34's, which shows whether a scenario asks for what kmod does.
pub fn run(options: &[&str]) -> Result<()> {
    if options.iter().any(|option| ["--list", "--help", "-h"].contains(option)) {
        return shell::run(harness()?.args(options));
    }
    if !possible()? {
        return Ok(());
    }
    let cache = setup::machine()?;
    if options.contains(&"--reference") {
        println!("subject: kmod 34 alone");
        let subject = cache.kmod(Release::Kmod34.number());
        return shell::run(harness()?.arg("--subject").arg(subject).args(options));
    }
    let subject = Subject::prepare(&cache)?;
    shell::run(subject.harness()?.args(options))
}

/// `cargo xtask bench request`: how long the kernel waits for modprobe, ours and kmod 30's in turns in one boot.
pub fn time_of_a_request() -> Result<()> {
    if !possible()? {
        return Ok(());
    }
    let cache = setup::machine()?;
    setup::kmod(&cache, Release::Kmod30)?;
    let subject = Subject::prepare(&cache)?;
    let whose = if subject.borrowed.contains(&"modprobe") { "kmod 34's" } else { "ours" };
    println!("subject 0: {whose}; subject 1: kmod 30's");
    let against = cache.kmod(Release::Kmod30.number());
    shell::run(subject.harness()?.arg("--against").arg(against).arg("request"))
}

/// Whether this machine can run the kernel of the tests; if not, that is said.
fn possible() -> Result<bool> {
    if cfg!(target_arch = "x86_64") {
        return Ok(true);
    }
    shell::skipped("the virtual machine", "its kernel and its tools are built for x86_64").map(|()| false)
}

impl Subject {
    /// Builds what there is of ours, and borrows the rest from kmod 34.
    pub fn prepare(cache: &Cache) -> Result<Self> {
        ensure!(
            project::target_installed(project::MUSL_TARGET) && shell::exists("musl-gcc"),
            "the tools of an initramfs are static, which needs {} and musl-gcc; cargo xtask setup brings them",
            project::MUSL_TARGET
        );
        let subject = Self { directory: tempfile::tempdir()?, borrowed: missing() };
        for tool in TOOLS.into_iter().filter(|tool| !subject.borrowed.contains(tool)) {
            let built = project::build(tool)?;
            println!("{tool}: ours, {}", built.description);
            let place = subject.directory.path().join(tool);
            fs::copy(&built.path, &place).with_context(|| built.path.display().to_string())?;
        }
        if !subject.borrowed.is_empty() {
            let names = subject.borrowed.join(" and ");
            println!(
                "NOT OURS: {names}: not in this workspace, kmod 34's stand in; what only ours can do is left out"
            );
            borrow_from(&cache.kmod(Release::Kmod34.number()), subject.directory.path())?;
        }
        Ok(subject)
    }

    /// The harness with these tools; selection and further options are up to the caller.
    pub fn harness(&self) -> Result<Command> {
        let mut command = harness()?;
        command.arg("--subject").arg(self.directory.path());
        if !self.borrowed.is_empty() {
            command.arg("--reference");
        }
        Ok(command)
    }
}

/// Makes a system's directories reachable from the subject's, where tools of its own are found first.
fn borrow_from(system: &Path, subject: &Path) -> Result<()> {
    for name in SYSTEM {
        let source: PathBuf = system.join(name);
        if source.is_dir() {
            symlink(&source, subject.join(name)).with_context(|| source.display().to_string())?;
        }
    }
    Ok(())
}

/// The harness, which builds the guest's init into the same target directory.
fn harness() -> Result<Command> {
    let mut command = project::cargo();
    command.env("CARGO_TARGET_DIR", project::target_directory()?);
    command.args(["run", "--quiet", "--package", "vm", "--"]);
    Ok(command)
}
