//! What is in the packages of the tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::layout::{self, put};
use crate::{project, shell};

/// The package that holds the tools.
pub const PACKAGE: &str = "modutils-rs";

/// Where it keeps the program; its scripts link it into the places of the tools.
const STORE: &str = "usr/lib/modutils-rs";

/// Files of the source tree and where they are on a Debian system, with their modes.
const FILES: [(&str, &str, u32); 4] = [
    (
        "packaging/modutils.d/rare-requests.conf",
        "usr/share/doc/modutils-rs/examples/modutils.d/rare-requests.conf",
        0o644,
    ),
    ("packaging/modutils.d/local.conf", "etc/modutils.d/local.conf", 0o644),
    ("packaging/cron/modutils-rs", "etc/cron.d/modutils-rs", 0o644),
    ("packaging/kernel/postrm", "etc/kernel/postrm.d/modutils-rs", 0o755),
];

/// The same for what kmod's package brings beside its tools. All have names of their own, so that neither package's
/// removal takes the other's away.
const INSTEAD_OF_KMODS: [(&str, &str, u32); 5] = [
    ("packaging/dpkg/modutils-rs-kmod", "etc/dpkg/dpkg.cfg.d/modutils-rs-kmod", 0o644),
    ("packaging/dpkg/conffiles", "usr/lib/modutils-rs-kmod/conffiles", 0o755),
    ("packaging/modprobe.d/aliases.conf", "usr/lib/modutils-rs-kmod/aliases.conf", 0o644),
    ("packaging/initramfs-tools/hook", "usr/share/initramfs-tools/hooks/modutils-rs", 0o755),
    ("packaging/sysvinit/modutils-rs", "etc/init.d/modutils-rs", 0o755),
];

/// Directories of kmod's package that are there for other packages and for administrators.
const DIRECTORIES: [&str; 4] = ["etc/depmod.d", "etc/modprobe.d", "usr/lib/depmod.d", "usr/lib/modprobe.d"];

/// Lays out the tools.
pub fn content(root: &Path, program: &Path) -> Result<()> {
    put(program, &root.join(STORE).join(project::PROGRAM), 0o755)?;
    put_all(root, &FILES)?;
    layout::services(&root.join("usr/lib"))?;
    let share = root.join("usr/share");
    layout::manual(&share.join("man"))?;
    compress_pages(&share.join("man"))?;
    layout::completions(&share, "zsh/vendor-completions")
}

/// Lays out what takes kmod's place.
pub fn in_place_of_kmod(root: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory))?;
    }
    put_all(root, &INSTEAD_OF_KMODS)?;
    // With systemd the script has nothing to do: another unit loads these modules.
    let unit = root.join("usr/lib/systemd/system/modutils-rs.service");
    fs::create_dir_all(unit.with_file_name(""))?;
    layout::link("systemd-modules-load.service", &unit)
}

fn put_all(root: &Path, files: &[(&str, &str, u32)]) -> Result<()> {
    files.iter().try_for_each(|(from, to, mode)| put(&project::root().join(from), &root.join(to), *mode))
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
