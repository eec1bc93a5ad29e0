//! Builds the guest's init, which is a program for another target than this one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Runs without a loader and libraries, as the first program of an initramfs has to.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Where cargo puts release programs of the guest's target; ours are a subject there.
#[must_use]
pub fn programs() -> PathBuf {
    target_dir().join(TARGET).join("release")
}

/// Builds the init and gives its file.
///
/// # Errors
/// When cargo fails; it says why itself.
pub fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "vm-guest", "--target", TARGET])
        .arg("--target-dir")
        .arg(target_dir())
        .current_dir(workspace())
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the guest's init was not built; is the target there? `rustup target add {TARGET}`"
    );
    Ok(programs().join("vm-guest"))
}
