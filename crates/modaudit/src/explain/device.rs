//! The device that an alias stands for, and which driver comes to have it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use modfile::ModuleName;
use modstate::Places;

use super::{Explained, LOADED};
use crate::text;

/// A driver that has a device.
#[derive(Debug)]
pub struct Driver {
    /// Its name.
    pub name: String,
    /// Its module; what is built in may have none.
    pub module: Option<String>,
}

/// The device of this system that has this alias, and the driver that has it.
pub(super) fn with_alias(places: &Places, alias: &[u8]) -> Option<(String, Option<Driver>)> {
    if !alias.contains(&b':') {
        return None;
    }
    for bus in fs::read_dir(places.sys.join("bus")).ok()?.flatten() {
        for device in fs::read_dir(bus.path().join("devices")).into_iter().flatten().flatten() {
            let path = device.path();
            if fs::read(path.join("modalias")).is_ok_and(|found| found.trim_ascii_end() == alias) {
                let last = |link: &str| -> Option<Vec<u8>> {
                    let target = fs::read_link(path.join(link)).ok()?;
                    Some(target.file_name().unwrap_or(OsStr::new("")).as_bytes().to_vec())
                };
                let driver = last("driver").map(|name| Driver {
                    name: text(&name),
                    module: last("driver/module")
                        .map(|name| ModuleName::of_path(&name).to_text().into_owned()),
                });
                return Some((device.file_name().to_string_lossy().into_owned(), driver));
            }
        }
    }
    None
}

/// Whether the driver of this module comes to have the device.
pub(super) fn wins(one: &Explained, first: Option<&str>) -> String {
    let driver = one.device.as_ref().and_then(|(_, driver)| driver.as_ref());
    if let Some(driver) = driver {
        return match &driver.module {
            Some(module) if *module == one.module => "it has the device".to_owned(),
            _ => format!("the driver {} has the device already", driver.name),
        };
    }
    match first {
        _ if one.state == LOADED => "it is loaded, and has not taken the device".to_owned(),
        Some(first) if first == one.module => "it comes in first, so its driver is asked first".to_owned(),
        _ if !one.blocked.is_empty() => "it is kept out".to_owned(),
        Some(first) => format!("it comes in after {first}, whose driver is asked first"),
        None => "none of them comes in".to_owned(),
    }
}
