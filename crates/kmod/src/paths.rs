//! Where the running kernel shows itself.

/// The root of sysfs.
pub(crate) const SYS: &str = "/sys";

/// The list of loaded modules.
pub(crate) const PROC_MODULES: &str = "/proc/modules";
