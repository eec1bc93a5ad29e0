//! Who uses a module that is to be unloaded.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use moddb::ModuleDb;
use modfile::ModuleName;
use modkernel::users::{OpenNode, Views};

use crate::paths::Places;

/// The users of a module, as far as they can be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    /// Modules.
    pub holders: Vec<String>,
    /// Mounted file systems: where, and from what.
    pub mounts: Vec<(String, String)>,
    /// Devices that its drivers are bound to.
    pub devices: Vec<String>,
    /// Network interfaces of its drivers or of its kind.
    pub interfaces: Vec<String>,
    /// Processes with its device nodes open.
    pub open: Vec<OpenNode>,
}

/// More processes than this are counted, not named.
const NAMED: usize = 5;

pub(crate) fn hint(users: &Users) -> Option<String> {
    let mut parts = Vec::new();
    if !users.holders.is_empty() {
        parts.push(format!("used by the modules {}", users.holders.join(", ")));
    }
    if !users.mounts.is_empty() {
        let mounts: Vec<String> =
            users.mounts.iter().map(|(place, device)| format!("{place} ({device})")).collect();
        parts.push(format!("mounted: {}", mounts.join(", ")));
    }
    if !users.devices.is_empty() {
        parts.push(format!("drives {}", users.devices.join(", ")));
    }
    if !users.interfaces.is_empty() {
        parts.push(format!("network interfaces {}", users.interfaces.join(", ")));
    }
    if !users.open.is_empty() {
        let mut open: Vec<String> = users.open.iter().take(NAMED).map(OpenNode::to_string).collect();
        if let Some(more) = users.open.len().checked_sub(NAMED).filter(|&more| more > 0) {
            open.push(format!("and {more} more"));
        }
        parts.push(format!("open: {}", open.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

impl Users {
    /// Looks for users of a module. What cannot be read names none.
    pub fn gather(
        module: &ModuleName,
        holders: &[ModuleName],
        directory: Option<&Path>,
        places: &Places,
        db: &ModuleDb,
    ) -> Self {
        let mounts = fs::read(places.proc.join("self/mounts")).unwrap_or_default();
        let views = Views { sys: &places.sys, proc: &places.proc, dev: &places.dev };
        let has_alias = |alias: &str| db.resolve(alias.as_bytes()).iter().any(|entry| entry.name == *module);
        Self {
            holders: holders.iter().map(|holder| holder.to_text().into_owned()).collect(),
            mounts: mounts_of(module, &mounts, db),
            devices: directory.map(devices).unwrap_or_default(),
            interfaces: views.interfaces(module, &has_alias),
            open: views.open_nodes(module, &has_alias),
        }
    }
}

/// The lines of `/proc/self/mounts` whose file system type the module provides.
fn mounts_of(module: &ModuleName, mounts: &[u8], db: &ModuleDb) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = mounts.split(|&byte| byte == b'\n');
    let mut found = Vec::new();
    for line in lines {
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(device), Some(place), Some(kind)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let is_of_module = ModuleName::new(kind) == *module
            || db.resolve(&[b"fs-", kind].concat()).iter().any(|entry| entry.name == *module);
        if is_of_module {
            found.push((text(place), format!("{} on {}", text(kind), text(device))));
        }
    }
    found
}

/// The devices below the drivers of a module: links of a driver's directory that are no part of sysfs' own
/// arrangement.
fn devices(module: &Path) -> Vec<String> {
    let mut devices = Vec::new();
    for driver in fs::read_dir(module.join("drivers")).into_iter().flatten().flatten() {
        for entry in fs::read_dir(driver.path()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) && name.as_bytes() != b"module" {
                devices.push(name.to_string_lossy().into_owned());
            }
        }
    }
    devices.sort();
    devices
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;
    use moddb::paths::ModuleDir;

    use super::*;

    #[test]
    fn users_of_all_kinds_are_named_and_nobody_is_no_hint() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("modules.dep"), "ext4.ko:\n").unwrap();
        fs::write(directory.path().join("modules.alias"), "alias fs-ext3 ext4\nalias char-major-1-* ext4\n")
            .unwrap();
        let driver = directory.path().join("drivers/pci:e1000");
        fs::create_dir_all(&driver).unwrap();
        std::os::unix::fs::symlink("/x", driver.join("0000:00:03.0")).unwrap();
        std::os::unix::fs::symlink("/x", driver.join("module")).unwrap();
        fs::write(driver.join("bind"), "").unwrap();
        let db = ModuleDb::new(ModuleDir::at(directory.path().into()), Config::default());
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("proc/self")).unwrap();
        let mounts = "/dev/a / ext3 rw 0 0\n/dev/b /srv ext4 rw 0 0\n/dev/c /x xfs rw 0 0\n";
        fs::write(at("proc/self/mounts"), mounts).unwrap();
        fs::create_dir_all(at("proc/42/fd")).unwrap();
        fs::write(at("proc/42/comm"), "reader\n").unwrap();
        std::os::unix::fs::symlink("/dev/null", at("proc/42/fd/3")).unwrap();
        fs::create_dir_all(at("sys/class/net/eth0/device/driver")).unwrap();
        std::os::unix::fs::symlink("/x/ext4", at("sys/class/net/eth0/device/driver/module")).unwrap();
        let places = Places { proc: at("proc"), sys: at("sys"), ..Places::default() };
        let users = Users::gather(&"ext4".into(), &["h".into()], Some(directory.path()), &places, &db);
        assert_eq!(
            hint(&users).as_deref(),
            Some(
                "used by the modules h; mounted: / (ext3 on /dev/a), /srv (ext4 on /dev/b); drives 0000:00:03.0; \
                 network interfaces eth0; open: /dev/null by reader (42)"
            )
        );
        let nobody = Users::gather(&"other".into(), &[], None, &places, &db);
        assert_eq!(hint(&nobody), None);
    }
}
