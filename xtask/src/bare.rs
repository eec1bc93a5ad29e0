//! `cargo xtask bare`: the commands of the README in a Debian that has nothing but a C compiler and the Rust toolchain
//! of this machine. Whatever they need besides they must bring themselves.
//!
//! The system is a minimal one, made once and kept in the cache; what happens in it goes into a layer above, which is
//! thrown away at the end. The tree is a clone of the last commit.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{project, setup, shell};

const USAGE: &str =
    "usage: cargo xtask bare 12|13 TASK...   (demo, setup and test are what the README promises)";

/// Mounts everything and runs the task. Arguments: work, system, toolchain, registry of crates, and the task's words.
/// The system is its own in processes and mounts, and ends with this. It gets a root of its own: nobody in a changed root
/// may make a namespace for users, which tests do.
const ENTER: &str = r#"
set -eu
top=$1/top
mkdir -p "$1/upper" "$1/over" "$top" "$1/crates-upper" "$1/crates-over"
mount -t overlay bare -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/over" "$top"
mkdir -p "$top/usr/local/rust" "$top/cargo/registry"
mount --bind --read-only "$3" "$top/usr/local/rust"
if [ -d "$4" ]; then
    mount -t overlay crates -o "lowerdir=$4,upperdir=$1/crates-upper,workdir=$1/crates-over" "$top/cargo/registry"
fi
mkdir "$top/modutils-rs"
mount --bind "$1/source" "$top/modutils-rs"
mount -t proc proc "$top/proc"
mount -t sysfs sysfs "$top/sys"
mount --rbind /dev "$top/dev"
mount -t tmpfs tmp "$top/run"
cp /etc/resolv.conf "$top/etc/resolv.conf"
shift 4
cd "$top"
pivot_root . .
umount --lazy .
exec sh -eu -c 'cd /modutils-rs && cargo xtask "$@"' sh "$@"
"#;

/// Runs a task there. Needs root, and the network for Debian's packages.
pub fn run(options: &[&str]) -> Result<()> {
    let [release, task @ ..] = options else { bail!(USAGE) };
    let codename = match *release {
        "12" => "bookworm",
        "13" => "trixie",
        _ => bail!(USAGE),
    };
    if task.is_empty() {
        bail!(USAGE);
    }
    if shell::output(Command::new("id").arg("-u"))?.trim() != "0" {
        return shell::skipped(
            "the README's commands in a bare system",
            "only root can enter a system of its own",
        );
    }
    let system = setup::bare(codename)?;
    let target = project::target_directory()?;
    let work = tempfile::Builder::new().prefix("bare-").tempdir_in(&target)?;
    let source = work.path().join("source");
    shell::run(
        Command::new("git").args(["clone", "--quiet", "--no-local"]).arg(project::root()).arg(&source),
    )?;
    let toolchain = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let mut enter = Command::new("unshare");
    enter.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
    enter.args(["sh", "-c", ENTER, "sh"]).arg(work.path()).arg(system).arg(toolchain.trim()).arg(crates()?);
    enter.args(task).env_clear().envs(profiles());
    enter.env("PATH", "/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    enter.env("HOME", "/home").env("CARGO_HOME", "/cargo").env("LC_ALL", "C.UTF-8");
    println!("== cargo xtask {} in a bare Debian {release}", task.join(" "));
    let status = enter.status().context("cannot start unshare")?;
    ensure!(status.success(), "cargo xtask {} in a bare Debian {release}: {status}", task.join(" "));
    Ok(())
}

/// Settings of Cargo's profiles, so that a trial need not optimise as much as what is shipped.
fn profiles() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PROFILE_"))
}

/// Crates that this machine has downloaded already.
fn crates() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    Ok(home.context("neither CARGO_HOME nor HOME is set")?.join("registry"))
}
