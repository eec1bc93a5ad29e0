//! Debian packages that are unpacked into the cache and never installed: other releases of kmod with the
//! libraries they need, and a kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use reference::{Cache, Release};

use super::sources;
use crate::shell;

/// A kmod release with its own loader and libraries.
pub fn kmod(cache: &Cache, release: Release) -> Result<()> {
    let (codename, ssl) = match release {
        Release::Kmod30 => ("bookworm", "libssl3"),
        Release::Kmod34 => ("trixie", "libssl3t64"),
    };
    let packages = ["kmod", "libkmod2", "libc6", "liblzma5", "libzstd1", "zlib1g", ssl];
    unpack(cache, &cache.kmod(release.number()), codename, |_| Ok(packages.map(str::to_owned).to_vec()))
}

/// The kernel that Debian 12 serves today, with the headers that list its symbols' checksums.
pub fn kernel(cache: &Cache) -> Result<()> {
    unpack(cache, &cache.kernel_root(), "bookworm", |apt| {
        let image = kernel_image(apt)?;
        let headers = image.replacen("image", "headers", 1);
        Ok(vec![image, headers])
    })
}

/// The newer kernel that Debian 12 offers beside its own, for whoever asks for it: its modules are compressed, and
/// it decompresses them itself.
pub fn newer_kernel(cache: &Cache) -> Result<()> {
    unpack(cache, &cache.newer_kernel_root(), "bookworm-backports", |apt| Ok(vec![kernel_image(apt)?]))
}

/// The package that the kernel's meta package of this architecture asks for.
fn kernel_image(apt: &Apt<'_>) -> Result<String> {
    let architecture = shell::output(Command::new("dpkg").arg("--print-architecture"))?;
    let meta = format!("linux-image-{}", architecture.trim());
    let image = depends(apt, &meta)?.into_iter().find(|name| name.starts_with("linux-image-"));
    image.with_context(|| format!("{meta} depends on no kernel image"))
}

/// The packages that a package depends on. Of alternatives it is the first.
fn depends(apt: &Apt<'_>, package: &str) -> Result<Vec<String>> {
    let text = shell::output(apt.command("apt-cache").args(["depends", package]))?;
    let mut packages = Vec::new();
    let mut is_alternative = false;
    for line in text.lines() {
        let (bar, rest) = line.trim().strip_prefix('|').map_or((false, line.trim()), |rest| (true, rest));
        let Some(name) = rest.strip_prefix("Depends: ") else { continue };
        if !is_alternative {
            packages.push(name.to_owned());
        }
        is_alternative = bar;
    }
    Ok(packages)
}

/// A static busybox: the shell of the virtual machine.
pub fn busybox(cache: &Cache) -> Result<()> {
    unpack(cache, &cache.directory().join("busybox"), "bookworm", |_| Ok(vec!["busybox-static".to_owned()]))
}

/// The headers of musl for another architecture, in Debian's name: the cross compiler brings those of glibc only.
pub fn musl_headers(cache: &Cache, architecture: &str) -> Result<()> {
    let target = cache.directory().join(format!("musl-dev-{architecture}"));
    unpack(cache, &target, "bookworm", |_| Ok(vec![format!("musl-dev:{architecture}")]))
}

/// kmod's packages of two Debian releases, as files.
pub fn kmod_packages(cache: &Cache) -> Result<()> {
    let packages = || ["kmod", "libkmod2"].map(|name| format!("{name}:amd64")).to_vec();
    keep(cache, &cache.kmod_packages(), &["bookworm", "trixie"], |_| Ok(packages()))
}

/// The packages of a Debian's kernel, with what building a module for it takes, and dracut, as files.
pub fn kernel_packages(cache: &Cache, debian: &str, codename: &str) -> Result<()> {
    keep(cache, &cache.kernel_packages(debian), &[codename], |apt| {
        let image = kernel_image(apt)?;
        let headers = image.replacen("image", "headers", 1);
        let mut packages = depends(apt, &headers)?;
        packages.extend([image, headers, "dracut".to_owned()]);
        Ok(packages)
    })
}

/// sensors-detect, which asks modprobe what it would do, and lspci, which asks the C library for drivers, with what they
/// need, as files.
pub fn caller_packages(cache: &Cache, debian: &str, codename: &str) -> Result<()> {
    let names = ["libpci3", "libsensors-config", "libsensors5", "lm-sensors", "pci.ids", "pciutils"];
    let packages = || names.map(str::to_owned).to_vec();
    keep(cache, &cache.caller_packages(debian), &[codename], |_| Ok(packages()))
}

/// Unpacks every package of a Debian release that has to do with the C library, kmod's own aside: what links it, and what
/// loads it when it is there.
pub fn users_of_the_library(cache: &Cache, codename: &str) -> Result<PathBuf> {
    let target = cache.directory().join(format!("users-of-libkmod-{codename}"));
    unpack(cache, &target, codename, |apt| {
        let text = shell::output(apt.command("apt-cache").args(["rdepends", "libkmod2"]))?;
        let names =
            text.lines().filter_map(|line| line.strip_prefix("  ")).map(|name| name.trim_start_matches('|'));
        let mut packages: Vec<String> =
            names.filter(|name| !["kmod", "libkmod-dev"].contains(name)).map(str::to_owned).collect();
        packages.sort();
        packages.dedup();
        Ok(packages)
    })?;
    Ok(target)
}

/// Downloads packages of some Debian releases to `target`, which appears only when complete.
fn keep(
    cache: &Cache,
    target: &Path,
    codenames: &[&str],
    choose: impl Fn(&Apt<'_>) -> Result<Vec<String>>,
) -> Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(cache.directory())?;
    let work = tempfile::Builder::new().prefix(".partial-").tempdir_in(cache.directory())?;
    let all = work.path().join("all");
    fs::create_dir(&all)?;
    for codename in codenames {
        println!("fetching {} (Debian {codename})", target.display());
        let directory = work.path().join(codename);
        download(&directory, codename, &choose)?;
        for package in fs::read_dir(directory.join("deb"))? {
            let package = package?;
            fs::rename(package.path(), all.join(package.file_name()))?;
        }
    }
    in_place(&all, target)
}

/// How often a system is tried to be made: one download of hundreds that fails ends debootstrap.
const DEBOOTSTRAP_TRIES: u32 = 3;

/// A minimal Debian of that name with these packages, for whoever may make one: root.
pub fn system(cache: &Cache, target: &Path, codename: &str, packages: &[&str]) -> Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    println!("making {} (Debian {codename} with {})", target.display(), packages.join(", "));
    fs::create_dir_all(cache.directory())?;
    let work = tempfile::Builder::new().prefix(".partial-").tempdir_in(cache.directory())?;
    // Kept, so that what breaks off has brought something, and so that a second system of a release is quickly made.
    let downloads = cache.directory().join(format!("downloads-{codename}"));
    fs::create_dir_all(&downloads)?;
    let mirror = sources::mirror(codename)?;
    let mut tries = 1..=DEBOOTSTRAP_TRIES;
    loop {
        let root = work.path().join(format!("root-{}", tries.next().unwrap_or_default()));
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.arg("--variant=minbase").arg(format!("--include={}", packages.join(",")));
        debootstrap.arg(format!("--cache-dir={}", downloads.display()));
        match shell::quietly(debootstrap.arg(codename).arg(&root).arg(&mirror)) {
            Ok(()) => return in_place(&root, target),
            Err(error) if tries.is_empty() => return Err(error),
            Err(error) => println!("{error:#}; once more, with what has been fetched"),
        }
    }
}

/// apt with lists and a cache of its own. What is installed here, and which versions are preferred here, must not matter:
/// where a newer release is installed, apt would refuse to fetch an older one.
struct Apt<'d> {
    directory: &'d Path,
}

impl Apt<'_> {
    fn command(&self, program: &str) -> Command {
        let option = |name: &str, path: &str| format!("{name}={}", self.directory.join(path).display());
        let mut command = Command::new(program);
        for setting in [
            option("Dir::State", "."),
            option("Dir::State::Lists", "lists"),
            option("Dir::State::status", "status"),
            option("Dir::Etc::SourceList", "sources.list"),
            option("Dir::Cache", "cache"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Dir::Etc::Preferences=/dev/null".to_owned(),
            "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
            // An unprivileged download user could not write here.
            "APT::Sandbox::User=root".to_owned(),
            // What is only unpacked may be of any architecture that the tools are shipped for.
            "APT::Architectures::=amd64".to_owned(),
            "APT::Architectures::=arm64".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.args(["-o", &setting]);
        }
        command
    }
}

/// Downloads packages of a Debian release and unpacks them to `target`, which appears only when complete.
fn unpack(
    cache: &Cache,
    target: &Path,
    codename: &str,
    choose: impl FnOnce(&Apt<'_>) -> Result<Vec<String>>,
) -> Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    println!("fetching {} (Debian {codename})", target.display());
    fs::create_dir_all(cache.directory())?;
    let work = tempfile::Builder::new().prefix(".partial-").tempdir_in(cache.directory())?;
    let directory = work.path();
    download(directory, codename, choose)?;
    let root = directory.join("root");
    fs::create_dir(&root)?;
    for entry in fs::read_dir(directory.join("deb"))? {
        shell::quietly(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(&root))?;
    }
    in_place(&root, target)
}

/// Another clone may have been faster; either's is as good.
fn in_place(made: &Path, target: &Path) -> Result<()> {
    match fs::rename(made, target) {
        Err(_) if target.is_dir() => Ok(()),
        result => result.with_context(|| format!("cannot put {} in place", target.display())),
    }
}

/// Downloads packages of a Debian release into `directory/deb`, with apt's own files beside it.
fn download(
    directory: &Path,
    codename: &str,
    choose: impl FnOnce(&Apt<'_>) -> Result<Vec<String>>,
) -> Result<()> {
    for needed in ["lists/partial", "cache/archives/partial", "deb"] {
        fs::create_dir_all(directory.join(needed))?;
    }
    fs::write(directory.join("sources.list"), sources::list_for(codename)?)?;
    fs::write(directory.join("status"), "")?;
    let apt = Apt { directory };
    shell::quietly(apt.command("apt-get").args(["-qq", "update"]))?;
    let packages = choose(&apt)?;
    let mut download = apt.command("apt-get");
    shell::quietly(download.args(["-qq", "download"]).args(&packages).current_dir(directory.join("deb")))
}
