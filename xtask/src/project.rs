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

/// Whether static programs can be built here.
pub fn builds_static_programs() -> bool {
    target_installed(MUSL_TARGET) && shell::exists("musl-gcc")
}

/// Builds the program that is all tools for release, and gives it the name of the tool `name`.
pub fn build(name: &str) -> Result<Built> {
    let musl = builds_static_programs();
    let mut command = cargo();
    command.args(["build", "--release", "--package", PROGRAM]);
    if musl {
        command.args(["--target", MUSL_TARGET]);
    }
    as_shipped(&mut command, root(), musl)?;
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

/// Makes a release build of the tree at `root` the same wherever the tree, the target directory and Cargo's home are:
/// what is left of their paths in a program, in its messages about panics, has other names.
///
/// What is shipped, which is static, ends at a panic and unwinds nothing, so it does without the tables for that, a
/// twentieth of its size. Only here, because a test of the same target unwinds.
pub fn as_shipped(build: &mut Command, root: &Path, is_static: bool) -> Result<()> {
    let (mut for_rust, for_c) = other_names_of_places(root)?;
    if is_static {
        for_rust.push("-Cforce-unwind-tables=no".to_owned());
    }
    build.env("CARGO_ENCODED_RUSTFLAGS", for_rust.join("\x1f"));
    // Compilers of C get these with the flags of the target, which .cargo/config.toml has.
    build.env("TARGET_CFLAGS", for_c.join(" "));
    Ok(())
}

/// The options of rustc, and those of C compilers, which give the tree at `root` and the sources of crates names that
/// are the same on every machine.
pub fn other_names_of_places(root: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    // Of two that fit the last one counts.
    let places = [(home.join("registry/src"), "/registry"), (root.to_owned(), "/modutils-rs")];
    let shown =
        |place: &Path| Ok::<_, anyhow::Error>(place.to_str().context("a path that is not UTF-8")?.to_owned());
    let (mut for_rust, mut for_c) = (Vec::new(), Vec::new());
    for (place, name) in places {
        let place = shown(&place)?;
        for_rust.push(format!("--remap-path-prefix={place}={name}"));
        for_c.push(format!("-ffile-prefix-map={place}={name}"));
    }
    Ok((for_rust, for_c))
}

/// Cargo of the nightly toolchain, for what no other has.
pub fn nightly_cargo() -> Command {
    let mut cargo = Command::new("cargo");
    // What names this compiler would count for more than the name of the other one.
    cargo.arg("+nightly").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    cargo
}

/// Cargo's target directory: this program lies two levels below it.
pub fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.ancestors().nth(2).context("this program lies in no target directory")?;
    Ok(directory.to_owned())
}
