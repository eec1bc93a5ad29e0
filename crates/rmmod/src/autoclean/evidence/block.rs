//! Block devices of a module: by the driver that sysfs shows, or by the name of their major number.

use super::{Sign, Sources, Subject};

/// A block device that the module drives.
pub(super) fn own(sources: &Sources, subject: &Subject) -> Option<Sign> {
    match sources.block_devices() {
        Ok(devices) => devices
            .iter()
            .find(|device| device.drivers.contains(&subject.name))
            .map(|device| Sign::BlockDevice(device.name.clone())),
        Err(unreadable) => Some(unreadable),
    }
}
