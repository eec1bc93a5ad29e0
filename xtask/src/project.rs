//! Where this source tree is, and where Cargo puts what it builds.

use std::fs;
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

/// The program that is all tools: what is shipped, and what is tested.
pub const PROGRAM: &str = "kmod";

/// A tool of ours, built for release: static when the target is there, otherwise for this machine.
pub struct Built {
    /// The executable, of the tool's name.
    pub path: PathBuf,
    /// Which build it is, for people.
    pub description: &'static str,
    /// Whether it needs no libraries.
    pub is_static: bool,
}

/// Builds the program that is all tools for release, and gives it the name of the tool `name`.
pub fn build(name: &str) -> Result<Built> {
    let musl = target_installed(MUSL_TARGET) && shell::exists("musl-gcc");
    let mut command = cargo();
    command.args(["build", "--release", "--package", PROGRAM]);
    if musl {
        command.args(["--target", MUSL_TARGET]);
        without_unwind_tables(&mut command, MUSL_TARGET);
    }
    shell::run(&mut command)?;
    let target = target_directory()?;
    let directory = if musl { target.join(MUSL_TARGET) } else { target }.join("release");
    let path = directory.join("tools").join(name);
    give_name(&directory.join(PROGRAM), &path)?;
    Ok(Built {
        path,
        description: if musl { "static musl release build" } else { "dynamic glibc release build" },
        is_static: musl,
    })
}

/// What is shipped ends at a panic and unwinds nothing, so it does without the tables for that, a twentieth of its
/// size. Only here, because a test of the same target unwinds.
pub fn without_unwind_tables(build: &mut Command, target: &str) {
    let target = target.to_uppercase().replace('-', "_");
    build.env(format!("CARGO_TARGET_{target}_RUSTFLAGS"), "-Cforce-unwind-tables=no");
}

/// Gives a program one more name, in one step: it may be running under it.
fn give_name(program: &Path, name: &Path) -> Result<()> {
    let directory = name.parent().context("a name in no directory")?;
    fs::create_dir_all(directory)?;
    let work = tempfile::tempdir_in(directory)?;
    let new = work.path().join("new");
    if fs::hard_link(program, &new).is_err() {
        fs::copy(program, &new).with_context(|| program.display().to_string())?;
    }
    fs::rename(&new, name).with_context(|| name.display().to_string())
}

/// Cargo's target directory: this program lies two levels below it.
pub fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.ancestors().nth(2).context("this program lies in no target directory")?;
    Ok(directory.to_owned())
}
