//! Debian packages that tests call or link.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What is needed, and by what.
const PACKAGES: [(&str, &str); 23] = [
    ("debootstrap", "a system into which our package is installed"),
    ("fish", "tests of its completions"),
    ("g++", "the C library's header is for C++, too"),
    ("gcc", "the C parts of the compression libraries"),
    ("gcc-aarch64-linux-gnu", "the C parts of the compression libraries for aarch64"),
    ("git", "rules of the source tree look at the files that are kept"),
    ("kmod", "the installed tools, for people who compare by hand"),
    ("libc6-dev-arm64-cross", "the C library for aarch64, which needs the system's"),
    ("libclang-dev", "bindings of the libkmod oracle are made at build time"),
    ("libkmod-dev", "the libkmod oracle"),
    ("man-db", "manual pages must render without warnings"),
    ("openssl", "modules that are signed by a key of their own"),
    ("pkg-config", "finding libkmod"),
    ("musl-tools", "the static build of C parts"),
    ("qemu-system-x86", "tests on a real kernel"),
    ("qemu-user-static", "tests of the tools for aarch64"),
    ("strace", "tests of the order of system calls, and a kernel that answers what a test wants"),
    ("time", "peak memory by hand"),
    ("util-linux", "unshare: private mounts for tests"),
    ("valgrind", "counting instructions"),
    ("xz-utils", "looking into module files by hand"),
    ("zsh", "tests of its completions"),
    ("zstd", "how large the program is when it is packed"),
];

/// Installs all that are missing.
pub fn install_missing() -> Result<()> {
    install(&PACKAGES)
}

/// Installs those of `names` that are missing and that are known here.
pub fn install_missing_of(names: &[&str]) -> Result<()> {
    let chosen: Vec<_> = PACKAGES.into_iter().filter(|(name, _)| names.contains(name)).collect();
    install(&chosen)
}

/// Only if one is missing are the package lists refreshed.
fn install(packages: &[(&str, &str)]) -> Result<()> {
    if !shell::exists("apt-get") {
        let names: Vec<_> = packages.iter().map(|(name, why)| format!("  {name}: {why}")).collect();
        let names = names.join("\n");
        return shell::skipped("system packages", &format!("no apt-get here; what is needed:\n{names}"));
    }
    let mut missing = Vec::new();
    for (name, why) in packages {
        if !installed(name)? {
            println!("missing: {name} ({why})");
            missing.push(*name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    shell::run(as_root()?.args(["apt-get", "-qq", "update"]))?;
    let mut install = as_root()?;
    install.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]);
    install.args(["install", "--no-install-recommends"]).args(missing);
    shell::run(&mut install)
}

fn installed(package: &str) -> Result<bool> {
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .context("cannot start dpkg-query")?;
    Ok(query.status.success() && query.stdout == b"installed")
}

/// A command that runs its arguments with the rights to install.
fn as_root() -> Result<Command> {
    let user = shell::output(Command::new("id").arg("-u"))?;
    if user.trim() == "0" {
        return Ok(Command::new("env"));
    }
    if !shell::exists("sudo") {
        bail!("installing packages needs root, and there is no sudo: run cargo xtask setup as root once");
    }
    Ok(Command::new("sudo"))
}
