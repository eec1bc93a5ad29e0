//! `depmod -A`: whether anything has to be done.

use std::path::Path;
use std::time::SystemTime;

use modcli::Severity;
use moddb::config::depmod::DepmodConfig;

use crate::messages::{self, Say};
use crate::publish::REFERENCE;
use crate::scan;

/// Whether the database is as new as every module of the directory. It is not if it is missing, or if a run
/// that was replacing it did not come to its end.
#[must_use]
pub fn is_current(input: &Path, output: &Path, say: &dyn Say) -> bool {
    match std::fs::metadata(output.join(REFERENCE)) {
        Ok(metadata) if metadata.modified().is_ok_and(|time| time == SystemTime::UNIX_EPOCH) => false,
        // compat: what depmod.d excludes counts here anyway (case depmod/exclude-and-quick).
        Ok(metadata) => {
            let everything = DepmodConfig::default();
            !scan::any_newer(input, &everything, scan::microseconds(&metadata), say)
        }
        Err(error) => {
            say.say(Severity::Error, messages::no_reference(output, &error));
            false
        }
    }
}
