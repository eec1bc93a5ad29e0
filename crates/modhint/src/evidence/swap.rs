//! Swap on a device of a module. Swap in a file needs the file's file system, which is mounted.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::{Sign, Sources, Subject};

/// The swap devices that the module drives.
pub(super) fn on_its_device(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let mut found = Vec::new();
    for line in sources.swaps()?.split(|&byte| byte == b'\n').skip(1) {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let (Some(file), Some(kind)) = (fields.next(), fields.next()) else { continue };
        if kind != b"partition" {
            continue;
        }
        let name = file.rsplit(|&byte| byte == b'/').next().unwrap_or(file);
        let entry = sources.sys.join("class/block").join(OsStr::from_bytes(name));
        let directory = fs::canonicalize(&entry).map_err(|_| Sign::Unreadable(entry))?;
        let mut drivers = sources.drivers_of(&directory)?;
        // A partition's driver is that of the disk around it.
        if let Some(disk) = directory.parent() {
            drivers.extend(super::sources::module_of(&disk.join("device"))?);
        }
        if drivers.contains(&subject.name) {
            found.push(Sign::Swap(file.to_vec()));
        }
    }
    Ok(found)
}
