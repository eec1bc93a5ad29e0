//! `cargo xtask vm`: builds our tools and hands them to the harness that runs them on a real kernel in QEMU.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Release};
use suite::TOOLS;
use tempfile::TempDir;

use crate::{project, setup, shell};

/// The tools under test, in a directory of their own.
pub struct Subject(TempDir);

/// How the newer kernel is asked for, where the harness wants a directory.
const NEWER_KERNEL: &str = "6.12";

/// Runs the scenarios that the options select, as the harness understands them. With `--reference` all tools are
/// kmod 34's, which shows whether a scenario asks for what kmod does. With `--kernel 6.12` they run on the newer of
/// Debian 12's kernels, which is fetched then.
pub fn run(options: &[&str]) -> Result<()> {
    if options.iter().any(|option| ["--list", "--help", "-h"].contains(option)) {
        return shell::run(harness()?.args(options));
    }
    if !possible()? {
        return Ok(());
    }
    let cache = setup::machine()?;
    let options = with_kernel(&cache, options)?;
    if options.iter().any(|option| option == "--reference") {
        println!("subject: kmod 34 alone");
        let subject = cache.kmod(Release::Kmod34.number());
        return shell::run(harness()?.arg("--subject").arg(subject).args(options));
    }
    let subject = Subject::prepare()?;
    shell::run(subject.harness()?.args(options))
}

/// The options with the directory of the newer kernel in the place of its number.
fn with_kernel(cache: &Cache, options: &[&str]) -> Result<Vec<OsString>> {
    let mut given = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let number = match word.strip_prefix("--kernel") {
            Some("") => words.next().copied(),
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        match number {
            Some(NEWER_KERNEL) => given.extend(["--kernel".into(), setup::newer_kernel(cache)?.into()]),
            Some(directory) => given.extend(["--kernel".into(), directory.into()]),
            None => given.push((*word).into()),
        }
    }
    Ok(given)
}

/// `cargo xtask bench request`: how long the kernel waits for modprobe, ours and kmod 30's in turns in one boot.
pub fn time_of_a_request() -> Result<()> {
    if !possible()? {
        return Ok(());
    }
    let cache = setup::machine()?;
    setup::kmod(&cache, Release::Kmod30)?;
    let subject = Subject::prepare()?;
    println!("subject 0: ours; subject 1: kmod 30's");
    let against = cache.kmod(Release::Kmod30.number());
    shell::run(subject.harness()?.arg("--against").arg(against).arg("request"))
}

/// Whether this machine can run the kernel of the tests; if not, that is reported.
fn possible() -> Result<bool> {
    if cfg!(target_arch = "x86_64") {
        return Ok(true);
    }
    shell::skipped("the virtual machine", "its kernel and its tools are built for x86_64").map(|()| false)
}

impl Subject {
    /// Builds our tools.
    pub fn prepare() -> Result<Self> {
        ensure!(
            project::builds_static_programs(),
            "the tools of an initramfs are static, which needs {} and musl-gcc; cargo xtask setup brings them",
            project::MUSL_TARGET
        );
        let subject = Self(tempfile::tempdir()?);
        for tool in TOOLS {
            let built = project::build(tool)?;
            println!("{tool}: ours, {}", built.description);
            let place = subject.0.path().join(tool);
            fs::copy(&built.path, &place).with_context(|| built.path.display().to_string())?;
        }
        Ok(subject)
    }

    /// The harness with these tools; selection and further options are up to the caller.
    pub fn harness(&self) -> Result<Command> {
        let mut command = harness()?;
        command.arg("--subject").arg(self.0.path());
        Ok(command)
    }
}

/// The harness, which builds the guest's init into the same target directory.
fn harness() -> Result<Command> {
    let mut command = project::cargo();
    command.env("CARGO_TARGET_DIR", project::target_directory()?);
    command.args(["run", "--quiet", "--package", "vm", "--"]);
    Ok(command)
}
