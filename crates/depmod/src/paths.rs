//! Where things are on the live system: the only module of this crate that knows absolute paths.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The running kernel's list of symbols.
pub(crate) const KALLSYMS: &str = "/proc/kallsyms";

/// The root directory.
pub(crate) const ROOT: &str = "/";

/// Where what was read from modules is kept for the next run, one file for each kernel release.
pub(crate) const CACHE: &str = "/var/cache/modutils/depmod";

/// Where the modules of the live system are, relative to its root.
pub(crate) const MODULE_DIRECTORY: &str = "lib/modules";

/// Where they are in systems that have everything below `usr` and no links to it.
pub(crate) const MODULE_DIRECTORY_IN_USR: &str = "usr/lib/modules";

/// The program that runs.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// The root directory of the first process.
const ROOT_OF_INIT: &str = "/proc/1/root";

/// Where a running system keeps what lasts until the next boot: in memory.
const RUN: &str = "/run";

/// The kind of file system that `/run` is, by its magic number.
const TMPFS: u64 = 0x0102_1994;

/// Files by which a process sees that it runs in a container.
const CONTAINER_MARKS: [&str; 2] = ["/run/.containerenv", "/.dockerenv"];

/// Whether this is a system that was booted, and not the image of one that is being made in a chroot or container.
pub(crate) fn is_live(container: bool) -> bool {
    let identity = |path: &str| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let is_in_memory = || {
        rustix::fs::statfs(RUN).is_ok_and(|info| u64::try_from(info.f_type).is_ok_and(|kind| kind == TMPFS))
    };
    let is_marked = || CONTAINER_MARKS.iter().any(|mark| Path::new(mark).exists());
    let root = identity(ROOT);
    !container && root.is_some() && root == identity(ROOT_OF_INIT) && is_in_memory() && !is_marked()
}

/// The same directories in a system below another root directory.
pub(crate) fn config_directories_below(root: &Path) -> Vec<PathBuf> {
    let below = |directory: PathBuf| root.join(directory.strip_prefix(ROOT).unwrap_or(&directory));
    config_directories().into_iter().map(below).collect()
}

/// Where depmod.d files are looked for, the first ones first.
pub(crate) fn config_directories() -> Vec<PathBuf> {
    moddb::paths::depmod_d()
}

/// The directory in which all kernels of the live system have theirs.
pub(crate) fn live_modules() -> PathBuf {
    Path::new(ROOT).join(MODULE_DIRECTORY)
}
