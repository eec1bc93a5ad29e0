//! Block devices of a module: by the driver that sysfs shows, or by the name of their major number.

use super::{Sign, Sources, Subject};

/// The block devices that the module drives.
pub(super) fn own(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let devices = sources.block_devices()?.iter();
    let own = devices.filter(|device| device.drivers.contains(&subject.name));
    Ok(own.map(|device| Sign::BlockDevice(device.name.clone())).collect())
}
