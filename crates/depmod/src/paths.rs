//! Where things are on the live system: the only place of this crate that knows absolute paths.

use std::path::{Path, PathBuf};

/// The running kernel's list of symbols.
pub(crate) const KALLSYMS: &str = "/proc/kallsyms";

/// The root directory.
pub(crate) const ROOT: &str = "/";

/// Where what was read from modules is kept for the next run, one file for each kernel release.
pub(crate) const CACHE: &str = "/var/cache/modutils/depmod";

/// Where the modules of the live system are, relative to its root.
pub(crate) const MODULE_DIRECTORY: &str = "lib/modules";

/// Where depmod.d files are looked for, the first ones first.
pub(crate) fn config_directories() -> Vec<PathBuf> {
    moddb::paths::depmod_d()
}

/// The directory in which all kernels of the live system have theirs.
pub(crate) fn live_modules() -> PathBuf {
    Path::new(ROOT).join(MODULE_DIRECTORY)
}
