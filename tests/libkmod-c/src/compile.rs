//! Compiles the C programs against our header and our library, as a distribution would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checked::Checker;

/// Which releases have all that a program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Both.
    Both,
    /// Only kmod 34.
    Kmod34,
    /// Only kmod 30, for the sake of which we have it.
    Kmod30,
    /// Neither: it would not survive, or does no such thing.
    Ours,
}

/// The programs.
const PROGRAMS: [(&str, For); 5] = [
    ("each", For::Both),
    ("users", For::Both),
    ("since33", For::Kmod34),
    ("until30", For::Kmod30),
    ("ours", For::Ours),
];

/// A compiled program.
pub struct Compiled {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Which releases it runs with.
    pub for_release: For,
    /// The tests in it.
    pub tests: Vec<String>,
}

/// All programs, in `directory`, for whoever checks them.
pub fn all(directory: &Path, library: &Path, checker: Option<Checker>) -> Result<Vec<Compiled>> {
    fs::create_dir_all(directory)?;
    PROGRAMS.iter().map(|&(name, for_release)| one(name, for_release, directory, library, checker)).collect()
}

fn one(
    name: &'static str,
    for_release: For,
    directory: &Path,
    library: &Path,
    checker: Option<Checker>,
) -> Result<Compiled> {
    let path = directory.join(name);
    let mut cc = Command::new("cc");
    cc.args(checker.map_or(&[][..], Checker::options));
    cc.args([
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-nonnull",
        "-pthread",
    ]);
    cc.arg("-I").arg(header()).arg("-o").arg(&path).arg(sources().join(format!("{name}.c"))).arg(library);
    run(&mut cc)?;
    let mut list = Command::new(&path);
    list.arg("--list").env("LD_LIBRARY_PATH", library.parent().unwrap_or(library));
    let tests = run(&mut list)?.lines().map(str::to_owned).collect();
    Ok(Compiled { name, path, for_release, tests })
}

/// The header must also serve C++, where enumerations and NULL are stricter.
pub fn header_in_cplusplus(temporary: &Path) -> Result<()> {
    let source = temporary.join("header.cc");
    fs::write(
        &source,
        "#include <libkmod.h>\nint main() { return kmod_new(nullptr, nullptr) == nullptr; }\n",
    )?;
    let mut compiler = Command::new("c++");
    compiler.args(["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-long-long"]);
    run(compiler.arg("-I").arg(header()).arg(source)).map(drop)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn header() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/libkmod/include")
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("c")
}
