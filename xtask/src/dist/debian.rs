//! The Debian package. Its scripts are in `packaging/debian`, each put behind what they share.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::architecture::Architecture;
use super::layout::{self, put};
use crate::{project, shell};

/// Where the package keeps the program; its scripts link it into the places of the tools.
const STORE: &str = "usr/lib/modutils-rs";

const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// Files of the source tree and where they are on a Debian system.
const FILES: [(&str, &str); 8] = [
    ("packaging/modutils.d/local.conf", "etc/modutils.d/local.conf"),
    ("packaging/cron/modutils-rs", "etc/cron.d/modutils-rs"),
    ("packaging/systemd/modutils-autoclean.service", "usr/lib/systemd/system/modutils-autoclean.service"),
    ("packaging/systemd/modutils-autoclean.timer", "usr/lib/systemd/system/modutils-autoclean.timer"),
    ("packaging/systemd/modutils-settings.service", "usr/lib/systemd/system/modutils-settings.service"),
    ("packaging/debian/copyright", "usr/share/doc/modutils-rs/copyright"),
    ("LICENSE-MIT", "usr/share/doc/modutils-rs/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/doc/modutils-rs/LICENSE-APACHE"),
];

/// The file's name.
pub fn file_name(architecture: Architecture) -> String {
    format!("modutils-rs_{}_{}.deb", super::version(), architecture.debian())
}

/// Builds the package and returns its file.
pub fn package(out: &Path, program: &Path, architecture: Architecture, time: &str) -> Result<PathBuf> {
    let work = tempfile::tempdir_in(out)?;
    // The root of a package is what everybody may enter.
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))?;
    let size = content(work.path(), program)?;
    control(work.path(), architecture, size)?;
    let file = out.join(file_name(architecture));
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", time);
    shell::run(build.args(["--root-owner-group", "-Zxz", "--build"]).arg(work.path()).arg(&file))?;
    Ok(file)
}

/// Lays out the files; returns their size in KiB.
fn content(root: &Path, program: &Path) -> Result<u64> {
    put(program, &root.join(STORE).join(project::PROGRAM), 0o755)?;
    for (from, to) in FILES {
        put(&project::root().join(from), &root.join(to), 0o644)?;
    }
    put(
        &project::root().join("packaging/kernel/postrm"),
        &root.join("etc/kernel/postrm.d/modutils-rs"),
        0o755,
    )?;
    let share = root.join("usr/share");
    layout::manual(&share.join("man"))?;
    compress_pages(&share.join("man"))?;
    layout::completions(&share, "zsh/vendor-completions")?;
    let usage = shell::output(
        Command::new("du").args(["--summarize", "--block-size=1K", "--apparent-size"]).arg(root),
    )?;
    usage.split_whitespace().next().and_then(|size| size.parse().ok()).context("du shows no size")
}

/// Debian's pages are compressed, and a link leads from compressed name to compressed name.
fn compress_pages(manual: &Path) -> Result<()> {
    for section in fs::read_dir(manual)? {
        for page in fs::read_dir(section?.path())? {
            let page = page?.path();
            let compressed = |name: &Path| PathBuf::from(format!("{}.gz", name.display()));
            if let Ok(target) = fs::read_link(&page) {
                std::os::unix::fs::symlink(compressed(&target), compressed(&page))?;
                fs::remove_file(&page)?;
            } else {
                shell::output(Command::new("gzip").args(["-9", "-n"]).arg(&page))?;
            }
        }
    }
    Ok(())
}

fn control(root: &Path, architecture: Architecture, size: u64) -> Result<()> {
    let source = project::root().join("packaging/debian");
    let read = |name: &str| fs::read_to_string(source.join(name)).with_context(|| name.to_owned());
    let control = root.join("DEBIAN");
    fs::create_dir(&control)?;
    let fields = read("control.in")?
        .replace("@VERSION@", super::version())
        .replace("@ARCHITECTURE@", architecture.debian())
        .replace("@SIZE@", &size.to_string());
    ensure!(
        !fields.contains('@') || fields.matches('@').count() == 1,
        "control.in has a field without a value"
    );
    fs::write(control.join("control"), fields)?;
    fs::write(control.join("conffiles"), read("conffiles")?)?;
    let common = read("common.sh")?.replace("@TOOLS@", &suite::words());
    for script in SCRIPTS {
        let file = control.join(script);
        fs::write(&file, format!("#!/bin/sh\n{common}\n{}", read(script)?))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
