//! Remembers how modules came in: on demand, so that autoclean may unload them again, or because somebody wants
//! them, so that it never does.
//!
//! This is best effort: without a place to remember it, nothing fails. But a record that says "on demand" of a module
//! that somebody wants must not stay, or the module goes one day: where the pin cannot be written the record is
//! removed, which needs no space.
//!
//! Where there is no record of a module that was there before, this may be a container or chroot with another `/run`
//! than the one in which it lies: the wish is noted in sysfs then.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use modfile::ModuleName;
use modstate::{BootId, Clock, Identity, Memory, Places, Record, RecordedRole, Written, elsewhere};

use crate::demand::Demand;
use crate::execute::Loaded;

/// Records how modules came in.
pub struct Recorder<'a> {
    /// Where.
    pub places: &'a Places,
    /// On whose behalf modules came in.
    pub demand: &'a Demand,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// Modules that somebody wants and about which only a record says anything: that they came in on demand.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be remembered that modules are wanted: {error}")]
pub struct NotRemembered {
    /// The modules.
    pub modules: Vec<ModuleName>,
    /// Why the first of their records cannot be removed.
    #[source]
    pub error: io::Error,
}

impl Recorder<'_> {
    /// Records that these modules are asked for, before the kernel's state is read, and waits while a pass of
    /// autoclean is unloading one of them.
    pub fn ask_for<'m>(&self, modules: impl IntoIterator<Item = &'m ModuleName>) {
        Memory::new(self.places).ask_for(modules, self.clock);
    }

    /// Writes down how the modules of a plan came in.
    ///
    /// # Errors
    /// Modules that somebody wants and that autoclean may unload anyway, with the reason for the last of them. That a
    /// record cannot be written is not an error: the module just stays.
    pub fn remember(&self, target: &ModuleName, loaded: &Loaded) -> Result<(), NotRemembered> {
        let Ok(boot) = BootId::read(&self.places.boot_id()) else { return Ok(()) };
        let memory = Memory::new(self.places);
        let sys_module = self.places.sys_module();
        let identity = |module| Identity::of_loaded(&sys_module, module, &boot).ok().flatten();
        let mut failed: Option<NotRemembered> = None;
        match self.demand {
            Demand::Kernel(request) => {
                // Only the process that loaded a module may record that it came in on demand.
                for module in &loaded.inserted {
                    if let Some(identity) = identity(module) {
                        let record = self.record(request, module == target, identity);
                        let _ = memory.write_record(module, &record);
                    }
                }
            }
            Demand::Person => {
                for module in loaded.inserted.iter().chain(&loaded.present) {
                    let Some(identity) = identity(module) else { continue };
                    if loaded.present.contains(module) && !memory.has_record_of(module, &identity) {
                        // Not possible everywhere; rmmod(8) says so.
                        let _ = elsewhere::note(&sys_module, module);
                    }
                    let pinned = memory.write_pin(module, &identity);
                    if !matches!(pinned, Ok(Written::Done))
                        && let Err(error) = memory.forget_record(module)
                    {
                        failed
                            .get_or_insert_with(|| NotRemembered { modules: Vec::new(), error })
                            .modules
                            .push(module.clone());
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn record(&self, request: &OsStr, is_target: bool, identity: Identity) -> Record {
        let role = if is_target { RecordedRole::Target } else { RecordedRole::Dependency };
        Record { request: request.as_bytes().to_vec(), role, loaded: self.clock.since_boot(), identity }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use modstate::BootTime;

    use super::*;

    /// Seven milliseconds after the boot.
    struct Seven;

    impl Clock for Seven {
        fn since_boot(&self) -> BootTime {
            BootTime(7)
        }

        fn since_1970(&self) -> u64 {
            7
        }

        fn pause(&self, _: Duration) {}
    }

    fn places(root: &tempfile::TempDir) -> Places {
        Places::below(root.path(), rustix::process::geteuid().as_raw())
    }

    #[test]
    fn what_came_in_on_demand_is_recorded_and_what_is_wanted_is_pinned() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("proc/sys/kernel/random")).unwrap();
        fs::write(at("proc/sys/kernel/random/boot_id"), "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n").unwrap();
        fs::create_dir(at("run")).unwrap();
        for module in ["a", "dep", "there"] {
            fs::create_dir_all(at("sys/module").join(module)).unwrap();
        }
        let places = places(&root);
        let loaded = Loaded {
            inserted: vec!["dep".into(), "a".into(), "vanished".into()],
            present: vec!["there".into()],
        };
        let remember = |demand: &Demand| {
            Recorder { places: &places, demand, clock: &Seven }.remember(&"a".into(), &loaded).unwrap();
        };
        let memory = Memory::new(&places);
        remember(&Demand::Kernel("net-pf-29".into()));
        let records = memory.records().unwrap();
        let roles: Vec<_> = records
            .iter()
            .map(|(name, record)| {
                let record = record.as_ref().unwrap();
                assert_eq!(record.loaded, BootTime(7));
                (name.to_text().into_owned(), record.role, record.request.clone())
            })
            .collect();
        let request = b"net-pf-29".to_vec();
        assert_eq!(
            roles,
            [
                ("a".into(), RecordedRole::Target, request.clone()),
                ("dep".into(), RecordedRole::Dependency, request)
            ]
        );
        assert_eq!(memory.pins().unwrap().len(), 0);
        remember(&Demand::Person);
        let pins: Vec<_> =
            memory.pins().unwrap().iter().map(|(name, _)| name.to_text().into_owned()).collect();
        assert_eq!(pins, ["a", "dep", "there"]);
    }

    #[test]
    fn where_a_pin_cannot_be_written_the_record_goes_instead() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("proc/sys/kernel/random")).unwrap();
        fs::write(at("proc/sys/kernel/random/boot_id"), "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n").unwrap();
        fs::create_dir(at("run")).unwrap();
        fs::create_dir_all(at("sys/module/a")).unwrap();
        let places = places(&root);
        let memory = Memory::new(&places);
        let remember = |demand: &Demand, loaded: &Loaded| {
            Recorder { places: &places, demand, clock: &Seven }.remember(&"a".into(), loaded)
        };
        let inserted = Loaded { inserted: vec!["a".into()], present: Vec::new() };
        remember(&Demand::Kernel("fs-a".into()), &inserted).unwrap();
        assert_eq!(memory.records().unwrap().len(), 1);
        // As on a file system that is full: nothing can be put into the directory of pins.
        fs::write(at("run/modutils/pinned"), "no directory").unwrap();
        let present = Loaded { inserted: Vec::new(), present: vec!["a".into()] };
        remember(&Demand::Person, &present).unwrap();
        assert_eq!(memory.records().unwrap().len(), 0);
        // Nor can the record be removed.
        remember(&Demand::Kernel("fs-a".into()), &inserted).unwrap();
        fs::remove_file(at("run/modutils/autoloaded/a")).unwrap();
        fs::create_dir(at("run/modutils/autoloaded/a")).unwrap();
        let failed = remember(&Demand::Person, &present).unwrap_err();
        assert_eq!(failed.modules, ["a".into()]);
    }

    #[test]
    fn a_module_that_was_there_without_a_record_is_noted_as_wanted_in_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("proc/sys/kernel/random")).unwrap();
        fs::write(at("proc/sys/kernel/random/boot_id"), "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n").unwrap();
        fs::create_dir(at("run")).unwrap();
        for module in ["recorded", "loaded", "elsewhere"] {
            fs::create_dir_all(at("sys/module").join(module)).unwrap();
            fs::write(at("sys/module").join(module).join("initstate"), "live\n").unwrap();
        }
        let places = places(&root);
        let remember = |demand: &Demand, inserted: &[&str], present: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
            let loaded = Loaded { inserted: names(inserted), present: names(present) };
            Recorder { places: &places, demand, clock: &Seven }
                .remember(&"recorded".into(), &loaded)
                .unwrap();
        };
        remember(&Demand::Kernel("fs-a".into()), &["recorded"], &[]);
        remember(&Demand::Person, &["loaded"], &["recorded", "elsewhere"]);
        let is_noted = |module: &str| elsewhere::is_noted(&places.sys_module(), &module.into()).unwrap();
        assert_eq!(["recorded", "loaded", "elsewhere"].map(is_noted), [false, false, true]);
    }

    #[test]
    fn without_a_boot_id_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        let loaded = Loaded { inserted: vec!["a".into()], present: Vec::new() };
        Recorder { places: &places(&root), demand: &Demand::Person, clock: &Seven }
            .remember(&"a".into(), &loaded)
            .unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
