//! What several kinds of evidence read, read at most once: one value of this type is one look at the system.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::regular;

use super::Sign;

/// No file that is read here is longer, in bytes; a mount table of a hundred thousand lines fits.
const LONGEST_FILE: usize = 32 << 20;

/// One look at the system.
#[derive(Debug)]
pub struct Sources {
    pub(super) sys: PathBuf,
    pub(super) proc: PathBuf,
    interfaces: OnceCell<Result<Vec<Interface>, Sign>>,
    block_devices: OnceCell<Result<Vec<BlockDevice>, Sign>>,
    majors: OnceCell<Result<Vec<(u32, ModuleName)>, Sign>>,
    mounts: OnceCell<Result<Vec<u8>, Sign>>,
    swaps: OnceCell<Result<Vec<u8>, Sign>>,
    protocols: OnceCell<Result<Option<Vec<u8>>, Sign>>,
}

/// A network interface.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub name: Vec<u8>,
    /// The module of its driver, if it has a device.
    pub driver: Option<ModuleName>,
    /// Its kind of virtual interface, if sysfs shows it.
    pub kind: Option<Vec<u8>>,
}

/// A block device.
#[derive(Clone, Debug)]
pub(super) struct BlockDevice {
    pub name: Vec<u8>,
    /// The modules that may be its driver: of its device, and the one that has its major number's name.
    pub drivers: Vec<ModuleName>,
}

impl Sources {
    /// A look at the system whose sysfs and proc are these; nothing is read yet.
    #[must_use]
    pub fn new(sys: &Path, proc: &Path) -> Self {
        Self {
            sys: sys.to_owned(),
            proc: proc.to_owned(),
            interfaces: OnceCell::new(),
            block_devices: OnceCell::new(),
            majors: OnceCell::new(),
            mounts: OnceCell::new(),
            swaps: OnceCell::new(),
            protocols: OnceCell::new(),
        }
    }

    pub(super) fn interfaces(&self) -> Result<&[Interface], Sign> {
        let read = || {
            let directory = self.sys.join("class/net");
            let mut interfaces = Vec::new();
            for name in names(&directory)? {
                let path = directory.join(OsStr::from_bytes(&name));
                let kind = read_if_there(&path.join("uevent"))?.and_then(|text| {
                    let mut lines = text.split(|&byte| byte == b'\n');
                    lines.find_map(|line| Some(line.strip_prefix(b"DEVTYPE=")?.to_vec()))
                });
                interfaces.push(Interface { name, driver: module_of(&path.join("device"))?, kind });
            }
            Ok(interfaces)
        };
        self.interfaces.get_or_init(read).as_deref().map_err(Clone::clone)
    }

    pub(super) fn block_devices(&self) -> Result<&[BlockDevice], Sign> {
        let read = || {
            let directory = self.sys.join("block");
            let mut devices = Vec::new();
            for name in names(&directory)? {
                let path = directory.join(OsStr::from_bytes(&name));
                devices.push(BlockDevice { drivers: self.drivers_of(&path)?, name });
            }
            Ok(devices)
        };
        self.block_devices.get_or_init(read).as_deref().map_err(Clone::clone)
    }

    /// The modules that may be the driver of the block device or partition with this directory.
    pub(super) fn drivers_of(&self, directory: &Path) -> Result<Vec<ModuleName>, Sign> {
        let mut drivers: Vec<_> = module_of(&directory.join("device"))?.into_iter().collect();
        if let Some(number) = read_if_there(&directory.join("dev"))? {
            let major = number.split(|&byte| byte == b':').next().unwrap_or_default();
            let major = std::str::from_utf8(major).ok().and_then(|text| text.trim().parse().ok());
            let of_major = self.majors()?.iter().filter(|(number, _)| Some(*number) == major);
            drivers.extend(of_major.map(|(_, name)| name.clone()));
        }
        Ok(drivers)
    }

    /// The names under which the block devices' major numbers are registered.
    fn majors(&self) -> Result<&[(u32, ModuleName)], Sign> {
        let read = || {
            let text = read(&self.proc.join("devices"))?;
            let lines = text.split(|&byte| byte == b'\n').skip_while(|line| *line != b"Block devices:");
            Ok(lines
                .filter_map(|line| {
                    let line = line.trim_ascii();
                    let at = line.iter().position(|&byte| byte == b' ')?;
                    let (number, name) = line.split_at(at);
                    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
                    Some((number, ModuleName::new(name.trim_ascii())))
                })
                .collect())
        };
        self.majors.get_or_init(read).as_deref().map_err(Clone::clone)
    }

    pub(super) fn mounts(&self) -> Result<&[u8], Sign> {
        self.mounts.get_or_init(|| read(&self.proc.join("mounts"))).as_deref().map_err(Clone::clone)
    }

    pub(super) fn swaps(&self) -> Result<&[u8], Sign> {
        self.swaps.get_or_init(|| read(&self.proc.join("swaps"))).as_deref().map_err(Clone::clone)
    }

    pub(super) fn protocols(&self) -> Result<Option<&[u8]>, Sign> {
        let text = self.protocols.get_or_init(|| read_if_there(&self.proc.join("net/protocols")));
        text.as_ref().map(Option::as_deref).map_err(Clone::clone)
    }
}

/// The contents of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Sign> {
    read_if_there(path)?.ok_or_else(|| Sign::Unreadable(path.to_owned()))
}

/// The contents of a file that need not exist.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Sign> {
    match regular::read(path, LONGEST_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(_) => Err(Sign::Unreadable(path.to_owned())),
    }
}

/// The names in a directory, sorted.
pub(super) fn names(directory: &Path) -> Result<Vec<Vec<u8>>, Sign> {
    names_if_there(directory)?.ok_or_else(|| Sign::Unreadable(directory.to_owned()))
}

/// The names in a directory that need not exist, sorted.
pub(super) fn names_if_there(directory: &Path) -> Result<Option<Vec<Vec<u8>>>, Sign> {
    let unreadable = |_| Sign::Unreadable(directory.to_owned());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(unreadable)?.file_name().as_bytes().to_vec());
    }
    names.sort();
    Ok(Some(names))
}

/// The module of the driver that a device is bound to.
pub(super) fn module_of(device: &Path) -> Result<Option<ModuleName>, Sign> {
    let path = device.join("driver/module");
    match fs::read_link(&path) {
        Ok(target) => Ok(Some(ModuleName::of_path(target.as_os_str().as_bytes()))),
        Err(error) if is_missing(&error) => Ok(None),
        Err(_) => Err(Sign::Unreadable(path)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound)
}
