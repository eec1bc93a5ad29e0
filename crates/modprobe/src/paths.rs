//! Views of the system's directories that only this tool needs.

use std::path::PathBuf;

use modhint::system::System;
pub use modstate::Places;

/// Where the system shows itself.
#[must_use]
pub fn shown(places: &Places) -> System<'_> {
    System { sys: &places.sys, proc: &places.proc, dev: &places.dev }
}

/// Where the kernel shows how locked it is.
#[must_use]
pub fn security(places: &Places) -> PathBuf {
    places.sys.join("kernel/security")
}
