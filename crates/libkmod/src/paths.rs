//! Where the kernel lists its modules.

pub(crate) const PROC_MODULES: &str = "/proc/modules";
