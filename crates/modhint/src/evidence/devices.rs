//! Devices bound to a module's drivers: unloading it would unbind them without asking anybody.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::sources::{self, Sources};
use super::{Sign, Subject};

/// The devices bound to drivers of the module.
pub(super) fn bound(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let name = OsStr::from_bytes(subject.name.as_bytes());
    let drivers = sources.sys.join("module").join(name).join("drivers");
    let mut bound = Vec::new();
    for driver in sources::names_if_there(&drivers)?.unwrap_or_default() {
        let directory = drivers.join(OsStr::from_bytes(&driver));
        for entry in sources::names(&directory)? {
            // A driver's directory has files, the link to its module, and a link for each device.
            let path = directory.join(OsStr::from_bytes(&entry));
            let is_link = fs::symlink_metadata(&path).map(|metadata| metadata.is_symlink());
            match is_link {
                Ok(true) if entry != b"module" => bound.push(Sign::Device(entry)),
                Ok(_) => {}
                Err(_) => return Err(Sign::Unreadable(path)),
            }
        }
    }
    Ok(bound)
}
