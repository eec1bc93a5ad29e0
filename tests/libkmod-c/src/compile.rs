//! Compiles the C programs against our header and our library, as a distribution would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checked::Checker;
use crate::emulator::Emulator;

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
    let options = checker.map_or(&[][..], Checker::options);
    let start = |program: &Path| {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", library.parent().unwrap_or(library));
        command
    };
    with("cc", options, directory, library, start)
}

/// All programs for another machine, in `directory`.
pub fn for_other(directory: &Path, library: &Path, emulator: &Emulator) -> Result<Vec<Compiled>> {
    with(&emulator.compiler(), &[], directory, library, |program| emulator.command(program, library))
}

/// All programs, by a compiler with its options; `start` makes commands of them.
fn with(
    compiler: &str,
    options: &[&str],
    directory: &Path,
    library: &Path,
    start: impl Fn(&Path) -> Command,
) -> Result<Vec<Compiled>> {
    fs::create_dir_all(directory)?;
    let mut compiled = Vec::new();
    for (name, for_release) in PROGRAMS {
        let path = directory.join(name);
        compile(Command::new(compiler).args(options), name, &path, library)?;
        let tests = run(start(&path).arg("--list"))?.lines().map(str::to_owned).collect();
        compiled.push(Compiled { name, path, for_release, tests });
    }
    Ok(compiled)
}

fn compile(cc: &mut Command, name: &str, path: &Path, library: &Path) -> Result<()> {
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
    cc.arg("-I").arg(header()).arg("-o").arg(path).arg(sources().join(format!("{name}.c"))).arg(library);
    run(cc).map(drop)
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
