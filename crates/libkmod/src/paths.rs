//! Where the kernel lists its modules, and what commands need.

use std::ffi::CStr;

/// The kernel's list of modules.
pub(crate) const PROC_MODULES: &str = "/proc/modules";

/// The shell of install commands and of those of modutils.d.
pub(crate) const SHELL: &CStr = c"/bin/sh";
/// Where reading ends at once.
pub(crate) const NOTHING: &str = "/dev/null";
