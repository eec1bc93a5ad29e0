//! The architectures that are shipped, what they are called, and how static tools are built for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::Cache;
use suite::TOOLS;

use super::layout;
use crate::project::{self, PROGRAM};
use crate::shell;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit PC.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Architecture {
    /// All that are shipped.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// As the kernel and Rust call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian calls it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// In names of directories of libraries.
    pub fn triplet(self) -> String {
        format!("{}-linux-gnu", self.name())
    }

    /// Whether this machine's programs are of it.
    pub fn is_of_this_machine(self) -> bool {
        self.name() == std::env::consts::ARCH
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-musl", self.name())
    }

    /// Rust's target of what needs glibc: the C library.
    pub fn glibc_target(self) -> String {
        format!("{}-unknown-linux-gnu", self.name())
    }

    /// Debian's C compiler for it on machines of other architectures.
    pub fn cross_compiler(self) -> String {
        format!("{}-gcc", self.triplet())
    }

    /// What is not here of that with which another machine builds for it and glibc, if anything.
    pub fn missing_for_glibc(self) -> Option<String> {
        let (target, compiler) = (self.glibc_target(), self.cross_compiler());
        if !project::target_installed(&target) {
            return Some(format!("the toolchain has no target {target}"));
        }
        if !shell::exists(&compiler) {
            return Some(format!("no {compiler}"));
        }
        // The compiler answers a name that it does not find with the name.
        let start_up = shell::output(Command::new(&compiler).arg("-print-file-name=crti.o"));
        let found = start_up.is_ok_and(|path| Path::new(path.trim()).is_absolute());
        (!found).then(|| format!("{compiler} has no C library to link with"))
    }

    /// A directory with the program under the name of each tool.
    pub fn directory(self) -> Result<PathBuf> {
        Ok(super::output_directory()?.join("tools").join(self.name()))
    }

    /// Builds the program that is all tools for release, statically, and gives it the name of each in
    /// [`directory`](Self::directory).
    pub fn build(self) -> Result<PathBuf> {
        let target = self.target();
        let mut cargo = project::cargo();
        cargo.args(["build", "--release", "--locked", "--target", &target]);
        cargo.args(["--package", PROGRAM]);
        if self == Self::Aarch64 {
            cross(&mut cargo, &self.cross_compiler())?;
        }
        project::as_shipped(&mut cargo, project::root(), true)?;
        shell::run(&mut cargo)?;
        let program = project::target_directory()?.join(target).join("release").join(PROGRAM);
        for tool in TOOLS {
            layout::put(&program, &self.directory()?.join(tool), 0o755)?;
        }
        Ok(program)
    }
}

/// Debian's cross compiler makes objects for glibc unless it gets musl's headers instead of its own; what is
/// linked, start-up code and libc, comes with Rust's target.
fn cross(cargo: &mut Command, compiler: &str) -> Result<()> {
    let headers = Cache::of_user()?.directory().join("musl-dev-arm64/usr/include/aarch64-linux-musl");
    ensure!(
        headers.join("stdio.h").is_file() && shell::exists(compiler),
        "no cross compiler or no headers of musl for it: run cargo xtask setup"
    );
    let own = shell::output(Command::new(compiler).arg("-print-file-name=include"))?;
    // Instead of those of .cargo/config.toml, the protection of stacks among them.
    let flags = format!(
        "-fstack-protector-strong -DTUKLIB_FAST_UNALIGNED_ACCESS=1 -nostdinc -isystem {} -isystem {}",
        headers.display(),
        own.trim()
    );
    cargo.env("CC_aarch64_unknown_linux_musl", compiler);
    cargo.env("AR_aarch64_unknown_linux_musl", "aarch64-linux-gnu-ar");
    cargo.env("CFLAGS_aarch64_unknown_linux_musl", flags);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", compiler);
    Ok(())
}

/// Fails unless a program asks for no interpreter and no library.
pub fn ensure_static(program: &Path) -> Result<()> {
    let mut readelf = Command::new("readelf");
    readelf.args(["--wide", "--program-headers", "--dynamic"]).arg(program);
    let text = shell::output(readelf.env("LC_ALL", "C")).context("readelf is in package binutils")?;
    let shown = program.display();
    ensure!(text.contains("LOAD"), "{shown}: readelf shows no program header");
    ensure!(!text.contains("INTERP"), "{shown} asks for an interpreter");
    ensure!(!text.contains("(NEEDED)"), "{shown} needs shared libraries");
    Ok(())
}
