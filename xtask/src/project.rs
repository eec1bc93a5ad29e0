//! Where this source tree is, and where Cargo puts what it builds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// The target of the static binaries that are shipped.
pub const MUSL_TARGET: &str = "x86_64-unknown-linux-musl";

/// The same for 64-bit ARM.
pub const MUSL_TARGET_AARCH64: &str = "aarch64-unknown-linux-musl";

/// The root of the source tree.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Cargo, as it was called to run this.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether the standard library for a target is there.
pub fn target_installed(target: &str) -> bool {
    let Ok(sysroot) = shell::output(Command::new("rustc").args(["--print", "sysroot"])) else {
        return false;
    };
    Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir()
}

/// A tool of ours, built for release: static when the target is there, otherwise for this machine.
pub struct Built {
    /// The executable.
    pub path: PathBuf,
    /// Which build it is, for people.
    pub description: &'static str,
    /// Whether it needs no libraries.
    pub is_static: bool,
}

/// Builds the tool `name` for release.
pub fn build(name: &str) -> Result<Built> {
    let musl = target_installed(MUSL_TARGET) && shell::exists("musl-gcc");
    let mut command = cargo();
    command.args(["build", "--release", "--package", name]);
    if musl {
        command.args(["--target", MUSL_TARGET]);
    }
    shell::run(&mut command)?;
    let target = target_directory()?;
    Ok(if musl {
        Built {
            path: target.join(MUSL_TARGET).join("release").join(name),
            description: "static musl release build",
            is_static: true,
        }
    } else {
        Built {
            path: target.join("release").join(name),
            description: "dynamic glibc release build",
            is_static: false,
        }
    })
}

/// Cargo's target directory: this program lies two levels below it.
pub fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.ancestors().nth(2).context("this program lies in no target directory")?;
    Ok(directory.to_owned())
}
