//! Why each module is there, as far as anything knows: what asked for it, who pinned it, which device or module
//! needs it.

use std::collections::HashMap;
use std::time::Duration;

use modcli::errno;
use modcli::table::{self, plain};
use modfile::ModuleName;
use modhint::evidence::Sign;
use modstate::Places;
use modstate::clock::Clock;
use modstate::marks::{Mark, Marks};
use modstate::memory::{Entry, Memory};
use modstate::record::{Record, RecordedRole};
use modstate::{BootId, BootTime, Identity};

use crate::modules::Module;
use crate::users;

/// What our tools remember of loads of this boot.
pub(crate) struct Remembered {
    records: HashMap<ModuleName, Record>,
    pins: HashMap<ModuleName, Identity>,
    marks: Marks,
    boot: Option<BootId>,
}

impl Remembered {
    /// Reads it. What cannot be read is reported, and stays unknown.
    pub fn read(places: &Places, complain: &dyn Fn(String)) -> Self {
        let memory = Memory::new(places);
        let mut known = Self {
            records: HashMap::new(),
            pins: HashMap::new(),
            marks: memory.marks(),
            boot: BootId::read(&places.boot_id()).ok(),
        };
        match memory.records() {
            Ok(records) => known.records.extend(readable(records)),
            Err(error) => complain(errno::chain(&error)),
        }
        match memory.pins() {
            Ok(pins) => known.pins.extend(readable(pins)),
            Err(error) => complain(errno::chain(&error)),
        }
        known
    }
}

fn readable<T>(entries: Vec<Entry<T>>) -> impl Iterator<Item = (ModuleName, T)> {
    entries.into_iter().filter_map(|(module, said)| Some((module, said.ok()?)))
}

/// A table with a row for each module.
pub(crate) fn text(
    modules: &[Module],
    remembered: &Remembered,
    places: &Places,
    clock: &dyn Clock,
    signs: &dyn Fn(&Module) -> Vec<Sign>,
) -> String {
    let mut rows = vec![["Module", "Size", "Used by", "Why it is here"].map(str::to_owned)];
    for module in modules {
        let signs = signs(module);
        let mut used_by: Vec<String> = module.holders.iter().map(|holder| plain(holder.as_bytes())).collect();
        used_by.extend(Some(users::in_words(module, &signs)).filter(|words| !words.is_empty()));
        let used_by = if used_by.is_empty() { "-".to_owned() } else { used_by.join(", ") };
        let size = if module.size < 0 { "-".to_owned() } else { module.size.to_string() };
        let why = reason(module, remembered, places, clock.since_boot(), &signs);
        rows.push([plain(module.name.as_bytes()), size, used_by, why]);
    }
    table::lines(&rows)
}

fn reason(
    module: &Module,
    remembered: &Remembered,
    places: &Places,
    now: BootTime,
    signs: &[Sign],
) -> String {
    let boot = remembered.boot.as_ref();
    let load =
        boot.and_then(|boot| Identity::of_loaded(&places.sys_module(), &module.name, boot).ok().flatten());
    let Some(load) = load else { return otherwise(module, signs) };
    if remembered.pins.get(&module.name) == Some(&load) {
        return "loaded by name".to_owned();
    }
    let Some(record) = remembered.records.get(&module.name).filter(|record| record.identity == load) else {
        return otherwise(module, signs);
    };
    let request = plain(&record.request);
    let mut why = match record.role {
        RecordedRole::Target => format!("on demand: {request}"),
        RecordedRole::Dependency => format!("needed by what came in on demand: {request}"),
    };
    why.push_str(&format!(", {} ago", duration(now.since(record.loaded))));
    if let Some(Mark::Idle { since, .. }) = remembered.marks.of(&module.name, &load) {
        why.push_str(&format!("; idle for {}", duration(now.since(*since))));
    }
    why
}

/// What can be seen of a module that did not come in through our tools, or before they remembered.
fn otherwise(module: &Module, signs: &[Sign]) -> String {
    if let Some(Sign::Device(name)) = signs.iter().find(|sign| matches!(sign, Sign::Device(_))) {
        return format!("drives device {}, not through our tools", plain(name));
    }
    match module.holders.first() {
        Some(holder) => format!("needed by {}", plain(holder.as_bytes())),
        None => "not through our tools".to_owned(),
    }
}

/// A time in its largest unit.
fn duration(milliseconds: u64) -> String {
    let seconds = Duration::from_millis(milliseconds).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct At(u64);

    impl Clock for At {
        fn since_boot(&self) -> BootTime {
            BootTime(self.0)
        }

        fn since_1970(&self) -> u64 {
            0
        }

        fn pause(&self, _: Duration) {}
    }

    #[test]
    fn a_module_is_there_on_demand_by_name_for_a_device_or_for_another_module() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
        let boot = "01234567-89ab-cdef-0123-456789abcdef\n";
        fs::create_dir_all(places.boot_id().parent().unwrap()).unwrap();
        fs::write(places.boot_id(), boot).unwrap();
        fs::create_dir_all(&places.run).unwrap();
        let boot = BootId::parse(boot.as_bytes()).unwrap();
        let memory = Memory::new(&places);
        let mut loads = HashMap::new();
        for name in ["overlay", "fat", "vfat", "e1000", "old"] {
            fs::create_dir_all(places.sys_module().join(name)).unwrap();
            let load = Identity::of_loaded(&places.sys_module(), &name.into(), &boot).unwrap().unwrap();
            loads.insert(name, load);
        }
        let record = |name: &str, request: &[u8], role, inode_off: u64| {
            let mut identity = loads[name].clone();
            identity.inode += inode_off;
            let record = Record { request: request.to_vec(), role, loaded: BootTime(60_000), identity };
            memory.write_record(&name.into(), &record).unwrap();
        };
        record("overlay", b"fs-overlay", RecordedRole::Target, 0);
        record("fat", b"fs-vfat", RecordedRole::Dependency, 0);
        // Of an earlier load of the module.
        record("old", b"fs-old", RecordedRole::Target, 1);
        memory.write_pin(&"vfat".into(), &loads["vfat"]).unwrap();
        let mut marks = Marks::default();
        let idle = Mark::Idle { since: BootTime(100_000), aliases: Vec::new() };
        marks.set(&"overlay".into(), &loads["overlay"], idle);
        memory.write_marks(&marks).unwrap();

        let module = |name: &str, holders: &[&str]| Module {
            name: name.into(),
            size: 16384,
            use_count: 0,
            holders: holders.iter().map(|&holder| holder.into()).collect(),
        };
        let modules = [
            module("overlay", &[]),
            module("fat", &["vfat"]),
            module("vfat", &[]),
            module("e1000", &[]),
            module("old", &["x"]),
        ];
        let signs = |module: &Module| match module.name == "e1000".into() {
            true => vec![Sign::Device(b"0000:00:03.0".to_vec()), Sign::Interface(b"eth0".to_vec())],
            false => vec![],
        };
        let complain = |text: String| panic!("{text}");
        let remembered = Remembered::read(&places, &complain);
        assert_eq!(
            text(&modules, &remembered, &places, &At(7_260_000), &signs),
            "Module   Size   Used by                    Why it is here\n\
             overlay  16384  -                          on demand: fs-overlay, 2 h ago; idle for 119 min\n\
             fat      16384  vfat                       needed by what came in on demand: fs-vfat, 2 h ago\n\
             vfat     16384  -                          loaded by name\n\
             e1000    16384  eth0, device 0000:00:03.0  drives device 0000:00:03.0, not through our tools\n\
             old      16384  x                          needed by x\n"
        );
    }
}
