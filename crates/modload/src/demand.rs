//! On whose behalf modules are loaded: it decides what is remembered of them, and which settings are put back.

use std::ffi::OsString;

/// On whose behalf modules are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The kernel asked for this name, or an old kernel's `-k` stood before it.
    Kernel(OsString),
    /// A person or a program wants them.
    Person,
}
