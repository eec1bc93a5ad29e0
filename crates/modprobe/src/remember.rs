//! Remembers how modules came in: on demand, so that autoclean may unload them again, or because somebody wants
//! them, so that it never does.
//!
//! A courtesy: without a place to remember it in nothing is wrong, and nothing is said.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modfile::ModuleName;
use modload::{Demand, Loaded};
use modstate::{BootId, Clock, Identity, Memory, Record, Role, SystemClock};

use crate::paths::Places;

/// Writes down how the modules of a plan came in. What fails only means that a module stays.
pub(crate) fn remember(
    places: &Places,
    origin: &Demand,
    sys_module: &Path,
    target: &ModuleName,
    loaded: &Loaded,
) {
    let Ok(boot) = BootId::read(&places.boot_id()) else { return };
    let memory = Memory::new(places);
    let identity = |module| Identity::of_loaded(sys_module, module, &boot).ok().flatten();
    match origin {
        Demand::Kernel(request) => {
            // Only who brought a module in may say that it came in on demand.
            for module in &loaded.inserted {
                if let Some(identity) = identity(module) {
                    let record = record(request, module == target, identity);
                    let _ = memory.write_record(module, &record);
                }
            }
        }
        Demand::Person => {
            for module in loaded.inserted.iter().chain(&loaded.present) {
                if let Some(identity) = identity(module) {
                    let _ = memory.write_pin(module, &identity);
                }
            }
        }
    }
}

fn record(request: &OsStr, is_target: bool, identity: Identity) -> Record {
    let role = if is_target { Role::Target } else { Role::Dependency };
    Record { request: request.as_bytes().to_vec(), role, loaded: SystemClock.since_boot(), identity }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_came_in_on_demand_is_recorded_and_what_is_wanted_is_pinned() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("proc/sys/kernel/random")).unwrap();
        fs::write(at("proc/sys/kernel/random/boot_id"), "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n").unwrap();
        fs::create_dir(at("run")).unwrap();
        for module in ["a", "dep", "there"] {
            fs::create_dir_all(at("sys").join(module)).unwrap();
        }
        let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
        let loaded = Loaded {
            inserted: vec!["dep".into(), "a".into(), "vanished".into()],
            present: vec!["there".into()],
        };
        let memory = Memory::new(&places);
        let on_demand = Demand::Kernel("net-pf-29".into());
        remember(&places, &on_demand, &at("sys"), &"a".into(), &loaded);
        let records = memory.records().unwrap();
        let roles: Vec<_> = records
            .iter()
            .map(|(name, record)| {
                let record = record.as_ref().unwrap();
                (name.to_text().into_owned(), record.role, record.request.clone())
            })
            .collect();
        let request = b"net-pf-29".to_vec();
        assert_eq!(
            roles,
            [("a".into(), Role::Target, request.clone()), ("dep".into(), Role::Dependency, request)]
        );
        assert_eq!(memory.pins().unwrap().len(), 0);
        remember(&places, &Demand::Person, &at("sys"), &"a".into(), &loaded);
        let pins: Vec<_> =
            memory.pins().unwrap().iter().map(|(name, _)| name.to_text().into_owned()).collect();
        assert_eq!(pins, ["a", "dep", "there"]);
    }

    #[test]
    fn without_a_boot_id_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path(), 0);
        let loaded = Loaded { inserted: vec!["a".into()], present: Vec::new() };
        remember(&places, &Demand::Person, root.path(), &"a".into(), &loaded);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
