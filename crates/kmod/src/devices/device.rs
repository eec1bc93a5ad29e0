//! The devices that sysfs shows: what each says it is, and what drives it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::regular;

/// No modalias is longer than a page, in bytes.
const LONGEST_MODALIAS: usize = 64 << 10;
/// Devices hang below each other, but never so deep.
const DEEPEST: usize = 64;

/// A device with a modalias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its directory.
    pub path: PathBuf,
    /// The bus or class that it is on.
    pub bus: Option<Vec<u8>>,
    /// What it says it is.
    pub modalias: Vec<u8>,
    /// The driver that is bound to it.
    pub driver: Option<Vec<u8>>,
    /// The module of that driver; a driver that is built in may have none.
    pub driver_module: Option<ModuleName>,
}

impl Device {
    /// Its name on its bus.
    pub fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default().as_bytes()
    }

    /// Maker and product as people write them, of a PCI or USB device; of others the modalias.
    pub fn id(&self) -> Vec<u8> {
        let hex = |start: usize| self.modalias.get(start..start + 4).map(<[u8]>::to_ascii_lowercase);
        let ids = match self.modalias.get(..5) {
            // pci:vVVVVVVVVdPPPPPPPP, of which the upper halves are zero.
            Some(b"pci:v") => hex(9).zip(hex(18)),
            // usb:vVVVVpPPPP.
            Some(b"usb:v") => hex(5).zip(hex(10)),
            _ => None,
        };
        ids.map_or_else(|| self.modalias.clone(), |(maker, product)| [maker, product].join(&b':'))
    }
}

/// All devices below a directory that have a modalias, in the order of their paths.
pub(super) fn below(directory: &Path) -> Vec<Device> {
    let mut devices = Vec::new();
    walk(directory, DEEPEST, &mut devices);
    devices
}

/// Links are not followed: they lead to other devices. What cannot be read has no devices.
fn walk(directory: &Path, deepest: usize, devices: &mut Vec<Device>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut inner = Vec::new();
    let mut has_modalias = false;
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => inner.push(entry.path()),
            Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => has_modalias = true,
            _ => {}
        }
    }
    if has_modalias {
        devices.extend(read(directory));
    }
    inner.sort();
    if let Some(deeper) = deepest.checked_sub(1) {
        inner.iter().for_each(|directory| walk(directory, deeper, devices));
    }
}

/// The device of a directory, unless it says nothing.
fn read(directory: &Path) -> Option<Device> {
    let modalias = regular::read(&directory.join("modalias"), LONGEST_MODALIAS).ok()?;
    let modalias = modalias.trim_ascii().to_vec();
    let driver = directory.join("driver");
    (!modalias.is_empty()).then(|| Device {
        bus: target_name(&directory.join("subsystem")),
        driver: target_name(&driver),
        driver_module: target_name(&driver.join("module")).map(|name| ModuleName::new(&name)),
        path: directory.to_owned(),
        modalias,
    })
}

/// The last part of what a link leads to.
fn target_name(link: &Path) -> Option<Vec<u8>> {
    let target = fs::read_link(link).ok()?;
    target.file_name().map(|name: &OsStr| name.as_bytes().to_vec())
}
