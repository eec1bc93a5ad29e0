//! `cargo xtask reproducible`: the last commit, built in two directories, gives the same program to the byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{project, shell};

/// Directories of other names, other lengths and other depths.
const PLACES: [&str; 2] = ["a", "another/place"];

/// Builds twice and compares.
pub fn run() -> Result<()> {
    ensure!(
        project::target_installed(project::MUSL_TARGET) && shell::exists("musl-gcc"),
        "what is shipped needs {} and musl-gcc; cargo xtask setup brings them",
        project::MUSL_TARGET
    );
    // Somebody may commit meanwhile.
    let head = shell::output(Command::new("git").current_dir(project::root()).args(["rev-parse", "HEAD"]))?;
    let work = tempfile::tempdir()?;
    let mut built: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for place in PLACES {
        let program = build(&work.path().join(place), head.trim())?;
        let bytes = fs::read(&program).with_context(|| program.display().to_string())?;
        println!("{} bytes, built in {place}", bytes.len());
        built.push((program, bytes));
    }
    let [(_, one), (_, other)] = built.as_slice() else { return Ok(()) };
    let differing = one.iter().zip(other).filter(|(one, other)| one != other).count();
    ensure!(one == other, "{differing} bytes differ, and {} of length", one.len().abs_diff(other.len()));
    for name in [work.path().to_string_lossy().as_ref(), &project::root().to_string_lossy()] {
        let named = one.windows(name.len()).any(|window| window == name.as_bytes());
        ensure!(!named, "the program names {name}");
    }
    println!("the same bytes");
    Ok(())
}

/// The program of a commit, built from nothing in a directory of its own.
fn build(place: &Path, commit: &str) -> Result<PathBuf> {
    fs::create_dir_all(place)?;
    let archive = place.with_extension("tar");
    let mut git = Command::new("git");
    git.current_dir(project::root()).args(["archive", "--format=tar", "--output"]).arg(&archive).arg(commit);
    shell::run(&mut git)?;
    shell::run(
        Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(place),
    )?;
    let target = place.join("target");
    let mut cargo = project::cargo();
    cargo.current_dir(place).env("CARGO_TARGET_DIR", &target);
    cargo.args(["build", "--release", "--locked", "--target", project::MUSL_TARGET]);
    cargo.args(["--package", project::PROGRAM]);
    project::as_shipped(&mut cargo, place, true)?;
    shell::run(&mut cargo)?;
    Ok(target.join(project::MUSL_TARGET).join("release").join(project::PROGRAM))
}
