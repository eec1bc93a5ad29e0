//! What is said of a device: a row for people, an object for programs.

use std::ffi::OsStr;

use modcli::json;
use modcli::table::{self, plain};
use moddb::{ModuleDb, ModuleEntry};
use modfile::ModuleName;
use modkernel::{ModuleState, Sysfs};

use super::bytes;
use super::device::Device;

/// A device and the modules that match it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub device: Device,
    pub modules: Vec<Match>,
}

/// A module that matches a device.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub name: ModuleName,
    pub presence: Presence,
    /// The line of the configuration that keeps it from being loaded for a device, and its kind.
    pub kept_out: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    BuiltIn,
    Loaded,
    NotLoaded,
}

impl Presence {
    fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::Loaded => "loaded",
            Self::NotLoaded => "not loaded",
        }
    }
}

impl Found {
    /// Whether nothing drives the device: no driver is bound, and no module that matches is there. Some modules drive
    /// devices without being bound to them.
    pub fn is_missing(&self) -> bool {
        self.device.driver.is_none() && self.modules.iter().all(|found| found.presence == Presence::NotLoaded)
    }

    /// What people read of it.
    fn in_words(&self, release: &OsStr) -> String {
        if let Some(driver) = &self.device.driver {
            let driver = plain(driver);
            return match &self.device.driver_module {
                None => format!("driven by {driver}, built in"),
                Some(module) if module.as_bytes() == driver.as_bytes() => format!("driven by {driver}"),
                Some(module) => format!("driven by {driver} of {}", plain(module.as_bytes())),
            };
        }
        if self.modules.is_empty() {
            return format!("nothing matches in {}", plain(bytes(release)));
        }
        let words: Vec<String> = self.modules.iter().map(Match::in_words).collect();
        words.join("; ")
    }
}

impl Match {
    fn in_words(&self) -> String {
        let name = plain(self.name.as_bytes());
        match (&self.kept_out, self.presence) {
            (Some(line), Presence::NotLoaded) => format!("{name} matches, kept out by {line}"),
            (_, presence) => format!("{name} matches, {}", presence.word()),
        }
    }
}

/// Looks a device up, as udev has it looked up: with aliases of the configuration.
pub(super) fn matched(device: Device, db: &ModuleDb, loaded: &Sysfs) -> Found {
    let mut modules: Vec<Match> = Vec::new();
    for entry in db.resolve(&device.modalias) {
        if modules.iter().all(|known| known.name != entry.name) {
            modules.push(one(&entry, db, loaded));
        }
    }
    Found { device, modules }
}

fn one(entry: &ModuleEntry, db: &ModuleDb, loaded: &Sysfs) -> Match {
    let presence = match loaded.state(&entry.name) {
        _ if entry.is_builtin() || db.is_builtin(&entry.name) => Presence::BuiltIn,
        Ok(ModuleState::Live | ModuleState::Going | ModuleState::Coming) => Presence::Loaded,
        Ok(ModuleState::Absent) | Err(_) => Presence::NotLoaded,
    };
    let name = entry.name.as_bytes();
    let blacklist = db.config().blacklisted(name).map(|line| format!("{} (blacklist)", line.origin));
    let install = || db.config().install_command(name).map(|line| format!("{} (install)", line.origin));
    Match { name: entry.name.clone(), presence, kept_out: blacklist.or_else(install) }
}

/// A row for each device: bus and name, what it is, what becomes of it.
pub(super) fn table(found: &[Found], release: &OsStr) -> String {
    let rows: Vec<[String; 3]> = found
        .iter()
        .map(|found| {
            let bus = found.device.bus.as_deref().map_or_else(|| "-".to_owned(), plain);
            let name = plain(found.device.name());
            [format!("{bus} {name}"), plain(&found.device.id()), found.in_words(release)]
        })
        .collect();
    table::lines(&rows)
}

/// An array with an object for each device.
pub(super) fn json(found: &[Found]) -> String {
    json::lines(&found.iter().map(object).collect::<Vec<_>>())
}

fn object(found: &Found) -> String {
    let Found { device, modules } = found;
    let modules = modules.iter().map(|found| {
        json::object(&[
            ("name", json::bytes(found.name.as_bytes())),
            ("state", json::string(found.presence.word())),
            ("kept_out", json::optional(found.kept_out.as_deref().map(json::string))),
        ])
    });
    let module = device.driver_module.as_ref().map(|module| json::bytes(module.as_bytes()));
    json::object(&[
        ("path", json::bytes(bytes(device.path.as_os_str()))),
        ("bus", json::optional(device.bus.as_deref().map(json::bytes))),
        ("name", json::bytes(device.name())),
        ("modalias", json::bytes(&device.modalias)),
        ("driver", json::optional(device.driver.as_deref().map(json::bytes))),
        ("driver_module", json::optional(module)),
        ("modules", json::array(modules)),
    ])
}
