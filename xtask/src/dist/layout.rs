//! Which file of the source tree goes where below a prefix.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use suite::TOOLS;

use crate::project::{self, PROGRAM};

/// Everything below `prefix`, where `bin` holds the program and `sbin` a link to it for each tool.
pub fn below_prefix(prefix: &Path, program: &Path) -> Result<()> {
    put(program, &prefix.join("bin").join(PROGRAM), 0o755)?;
    link(PROGRAM, &prefix.join("bin/lsmod"))?;
    fs::create_dir_all(prefix.join("sbin"))?;
    for tool in TOOLS.iter().filter(|tool| **tool != PROGRAM) {
        link(&format!("../bin/{PROGRAM}"), &prefix.join("sbin").join(tool))?;
    }
    manual(&prefix.join("share/man"))?;
    completions(&prefix.join("share"), "zsh/site-functions")?;
    services(&prefix.join("lib"))?;
    let source = project::root();
    for (from, to) in [
        ("packaging/modutils.d/local.conf", "share/doc/modutils-rs/examples/modutils.d/local.conf"),
        (
            "packaging/modutils.d/rare-requests.conf",
            "share/doc/modutils-rs/examples/modutils.d/rare-requests.conf",
        ),
        ("packaging/cron/modutils-rs", "share/doc/modutils-rs/examples/cron"),
        ("LICENSE-MIT", "share/doc/modutils-rs/LICENSE-MIT"),
        ("LICENSE-APACHE", "share/doc/modutils-rs/LICENSE-APACHE"),
    ] {
        put(&source.join(from), &prefix.join(to), 0o644)?;
    }
    Ok(())
}

/// The pages, each in the directory of its section, and the second names of two.
pub fn manual(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(project::root().join("man"))? {
        let page = entry?.path();
        let section = page.extension().context("a page without a section")?.to_string_lossy().into_owned();
        let name = page.file_name().context("a page without a name")?;
        put(&page, &directory.join(format!("man{section}")).join(name), 0o644)?;
    }
    link("modprobe.d.5", &directory.join("man5/modprobe.conf.5"))?;
    link("modules.dep.5", &directory.join("man5/modules.dep.bin.5"))
}

/// What systemd and udev read, in `lib`: each file of a directory of the tree, so that a new one needs no line here.
pub fn services(lib: &Path) -> Result<()> {
    for (from, to) in [("packaging/systemd", "systemd/system"), ("packaging/udev", "udev/rules.d")] {
        let from = project::root().join(from);
        if !from.is_dir() {
            continue;
        }
        for entry in fs::read_dir(from)? {
            let file = entry?;
            put(&file.path(), &lib.join(to).join(file.file_name()), 0o644)?;
        }
    }
    Ok(())
}

/// The completions, each under the name by which its shell looks for it. `zsh` is a directory in `share`.
pub fn completions(share: &Path, zsh: &str) -> Result<()> {
    let source = project::root().join("completions");
    let (bash, fish) = (share.join("bash-completion/completions"), share.join("fish/vendor_completions.d"));
    put(&source.join("modutils-rs.bash"), &bash.join("modprobe"), 0o644)?;
    put(&source.join("modutils-rs.fish"), &fish.join("modprobe.fish"), 0o644)?;
    for tool in TOOLS.iter().filter(|tool| **tool != "modprobe") {
        link("modprobe", &bash.join(tool))?;
        link("modprobe.fish", &fish.join(format!("{tool}.fish")))?;
    }
    put(&source.join("_modutils-rs"), &share.join(zsh).join("_modutils-rs"), 0o644)
}

/// Copies a file under its final name only when it is complete: it may replace one that is in use.
pub fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let directory = to.parent().context("a file needs a directory")?;
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let mut new = to.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    fs::copy(from, &new).with_context(|| format!("cannot copy {} to {}", from.display(), new.display()))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
    fs::rename(&new, to).with_context(|| to.display().to_string())
}

/// Makes a symbolic link; one that is there already is replaced.
pub fn link(target: &str, name: &Path) -> Result<()> {
    if fs::symlink_metadata(name).is_ok() {
        fs::remove_file(name).with_context(|| name.display().to_string())?;
    }
    symlink(target, name).with_context(|| name.display().to_string())
}
