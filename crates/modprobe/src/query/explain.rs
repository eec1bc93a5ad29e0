//! `--explain NAME`: what a name means, what loading it would do, which lines of the configuration concern it and
//! whether they count, how configured and present values compare, and what would keep it from being loaded. One set of
//! facts, printed for people or as JSON.

// long: one fact after the other, and a third are tests

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use modcli::words;
use moddb::{FoundIn, ModuleDb, ModuleEntry};
use modfile::{ModuleName, parameters};
use modhint::causes::kernel_blacklist;
use modhint::causes::present::{self, PresentValue};
use modhint::declared::Declared;
use modkernel::{KernelOps, ModuleState, Sysfs};
use modload::plan::{self, Action, LoadPlan, Role, Step, Target};
use modstate::Places;
use modstate::rules::Rules;
use modstate::scripts::{Moment, Scripts};

use super::lines::{self, Asked, ConfigLine};
use crate::show;

/// What an explanation is made of. The kernel is only looked at.
pub(crate) struct Around<'a> {
    pub db: &'a ModuleDb,
    pub kernel: &'a dyn KernelOps,
    pub sysfs: &'a Sysfs,
    pub places: &'a Places,
    /// That of the kernel.
    pub command_line: &'a [u8],
    /// What modutils.d forbids.
    pub rules: &'a Rules,
    /// The commands that it puts around a load.
    pub scripts: &'a Scripts,
}

/// All that is known of one module that a name means.
pub(crate) struct Explained {
    pub module: String,
    pub found: &'static str,
    pub alias: Option<String>,
    pub file: Option<String>,
    pub state: &'static str,
    /// The device with this alias, and what drives it now.
    pub device: Option<(String, Option<Driver>)>,
    /// Of several modules for a device, which one's driver comes to have it.
    pub wins: Option<String>,
    /// What loading it would do.
    pub steps: Vec<ShownStep>,
    /// Lines of the configuration that concern it.
    pub lines: Vec<ConfigLine>,
    /// Configured parameters, and what the kernel shows of them.
    pub parameters: Vec<(String, String, Option<String>)>,
    /// What keeps it from being loaded.
    pub blocked: Vec<String>,
}

/// A driver that has a device.
pub(crate) struct Driver {
    /// Its name.
    pub name: String,
    /// Its module; what is built in may have none.
    pub module: Option<String>,
}

/// A step of a plan.
pub(crate) struct ShownStep {
    /// As `-D` prints it.
    pub action: String,
    /// The module.
    pub module: String,
    /// Why it is there.
    pub role: &'static str,
}

/// Explains a name that means these modules.
pub(crate) fn explain(around: &Around<'_>, name: &[u8], found: &[ModuleEntry]) -> Vec<Explained> {
    let mut explained: Vec<Explained> = found.iter().map(|entry| one(around, name, entry)).collect();
    // Modules for an alias come in one after the other, and a device stays with the first driver that takes it.
    if explained.len() > 1 && name.contains(&b':') {
        let comes_in = |one: &&Explained| one.blocked.is_empty() && one.state != LOADED;
        let first = explained.iter().find(comes_in).map(|one| one.module.clone());
        for one in &mut explained {
            one.wins = Some(wins(one, first.as_deref()));
        }
    }
    explained
}

/// Whether the driver of this module comes to have the device.
fn wins(one: &Explained, first: Option<&str>) -> String {
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

fn one(around: &Around<'_>, name: &[u8], entry: &ModuleEntry) -> Explained {
    let db = around.db;
    let is_builtin = entry.is_builtin() || entry.found_in != FoundIn::Path && db.is_builtin(&entry.name);
    let mut plan =
        plan::load(db, &Target { entry, params: b"", ignore_commands: false, rules: around.rules });
    let (rules, command_line) = (around.rules, around.command_line);
    let asked = Asked { db, rules, command_line, name, entry, is_builtin };
    let lines = lines::all(&asked, &plan.steps);
    if is_builtin {
        // Nothing is done for what the kernel has, whatever is configured.
        plan.steps.retain(|step| step.role == Role::Target);
        for step in &mut plan.steps {
            step.action = Action::Builtin;
            step.params.clear();
        }
    }
    Explained {
        module: entry.name.to_text().into_owned(),
        found: source(entry.found_in),
        alias: entry.alias.as_deref().map(text),
        file: entry.path.as_ref().map(|path| path.display().to_string()),
        state: if is_builtin { "built in" } else { state(around.kernel, entry) },
        device: device(around.places, name),
        wins: None,
        steps: plan.steps.iter().flat_map(|step| shown_steps(around.scripts, step)).collect(),
        lines,
        parameters: configured(around, entry),
        blocked: if is_builtin { Vec::new() } else { blocked(db, entry, &plan, around.command_line) },
    }
}

/// A step, with the commands of modutils.d around it.
fn shown_steps(scripts: &Scripts, step: &Step) -> Vec<ShownStep> {
    let shown = |action: &[u8]| ShownStep {
        action: text(action.trim_ascii_end()),
        module: step.module.to_text().into_owned(),
        role: role(step.role),
    };
    let Some(insertion) = show::insertion(step) else { return Vec::new() };
    let around = |moment| {
        let scripts = scripts.around(moment, &step.module).filter(|_| matches!(step.action, Action::File(_)));
        scripts.map(|script| shown(&words::script(script))).collect::<Vec<_>>()
    };
    let (before, after) = (around(Moment::PreInstall), around(Moment::PostInstall));
    before.into_iter().chain([shown(&insertion)]).chain(after).collect()
}

/// The parameters that the configuration gives the module, with what the kernel shows of them now.
fn configured(around: &Around<'_>, entry: &ModuleEntry) -> Vec<(String, String, Option<String>)> {
    let texts = around.db.config().options_for(entry.name.as_bytes(), entry.alias.as_deref());
    let declared = entry.path.as_deref().and_then(|path| Declared::of_file(path).ok());
    let given = present::given(around.sysfs, &entry.name, &texts, declared.as_ref());
    let shown = |given: &PresentValue| {
        let wanted = given.wanted.as_deref().map_or_else(String::new, text);
        (given.name.clone(), wanted, given.present.as_deref().map(text))
    };
    // Of several values of one parameter the last counts.
    let is_last = |place: usize, one: &PresentValue| {
        !given
            .iter()
            .skip(place + 1)
            .any(|other| parameters::is_same_name(other.name.as_bytes(), one.name.as_bytes()))
    };
    given.iter().enumerate().filter(|(place, one)| is_last(*place, one)).map(|(_, one)| shown(one)).collect()
}

/// The device of this system that has this alias, and the driver that has it.
fn device(places: &Places, alias: &[u8]) -> Option<(String, Option<Driver>)> {
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

fn source(found_in: FoundIn) -> &'static str {
    match found_in {
        FoundIn::ConfigAlias => "alias line of the configuration",
        FoundIn::Modules => "name of a module",
        FoundIn::Symbols => "symbol of a module",
        FoundIn::Command => "install or remove line of the configuration",
        FoundIn::Aliases => "alias of a module",
        FoundIn::Builtin => "name of what is built in",
        FoundIn::BuiltinAliases => "alias of what is built in",
        FoundIn::Path => "path",
    }
}

const LOADED: &str = "loaded";

fn state(kernel: &dyn KernelOps, entry: &ModuleEntry) -> &'static str {
    match kernel.state(&entry.name) {
        Ok(ModuleState::Absent) => "not loaded",
        Ok(ModuleState::Coming) => "being loaded",
        Ok(ModuleState::Live) => LOADED,
        Ok(ModuleState::Going) => "being unloaded",
        Err(_) => "unknown",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Target => "wanted",
        Role::Required => "dependency",
        Role::Wished => "softdep",
    }
}

fn blocked(db: &ModuleDb, entry: &ModuleEntry, plan: &LoadPlan, command_line: &[u8]) -> Vec<String> {
    let mut blocked = Vec::new();
    if let (Some(line), Some(_)) = (db.config().blacklisted(entry.name.as_bytes()), &entry.alias) {
        blocked.push(format!("{} blacklists {}, and it was found through an alias", line.origin, entry.name));
    }
    for prohibition in plan.forbidden.iter().filter(|prohibition| prohibition.role != Role::Wished) {
        let reason = prohibition.by.reason.as_deref().map(|reason| format!(": {}", text(reason)));
        let reason = reason.unwrap_or_default();
        blocked.push(format!("{} forbids {}{reason}", prohibition.by.line, prohibition.module));
    }
    for step in plan.steps.iter().filter(|step| step.role != Role::Wished) {
        match &step.action {
            Action::File(path) if !path.exists() => {
                blocked.push(format!("{} is not there: run depmod", path.display()));
            }
            Action::NoFile => blocked.push(format!("{} is only a name: it has no file", step.module)),
            Action::Command { line, origin } => {
                blocked.push(format!(
                    "{origin} replaces the load of {} by: {}",
                    step.module,
                    text(line).trim()
                ));
            }
            _ => {}
        }
        if kernel_blacklist::forbids(command_line, step.module.as_bytes()) {
            blocked.push(format!("module_blacklist= on the kernel command line forbids {}", step.module));
        }
    }
    blocked
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use moddb::config::Config;
    use moddb::paths::ModuleDir;
    use modkernel::Recording;

    use super::super::explanation::{as_json, as_text};
    use super::*;

    /// Explains a name to a system with modules `a`, which needs `b`, and `c`, built in.
    fn told(config_text: &str, command_line: &str, name: &str) -> (String, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for file in ["a.ko", "b.ko"] {
            fs::write(path(file), "").unwrap();
        }
        fs::write(path("modules.dep"), "a.ko: b.ko\nb.ko:\n").unwrap();
        fs::write(path("modules.builtin"), "kernel/c.ko\n").unwrap();
        fs::create_dir_all(path("sys/module/a/parameters")).unwrap();
        fs::write(path("sys/module/a/parameters/y"), "8\n").unwrap();
        fs::create_dir_all(path("sys/bus/pci/devices/0000:00:01.0")).unwrap();
        fs::write(path("sys/bus/pci/devices/0000:00:01.0/modalias"), "pci:v1\n").unwrap();
        let mut config = Config::default();
        config.parse(Path::new("x.conf"), config_text.as_bytes());
        config.parse_kernel_command_line(command_line.as_bytes());
        let db = ModuleDb::new(ModuleDir::at(directory.path().into()), config);
        let kernel = Recording::default().with_loaded("a", &[]);
        let places = Places { sys: path("sys"), ..Places::of_system() };
        let around = Around {
            db: &db,
            kernel: &kernel,
            sysfs: &Sysfs::new(places.sys_module()),
            places: &places,
            command_line: command_line.as_bytes(),
            rules: Rules::NONE,
            scripts: &Scripts::default(),
        };
        let explained = explain(&around, name.as_bytes(), &db.resolve(name.as_bytes()));
        let shown = |text: String| text.replace(&directory.path().display().to_string(), "");
        (shown(as_text(&explained)), shown(as_json(&explained)))
    }

    fn assert_contains(shown: &str, parts: &[&str]) {
        for part in parts {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn lookup_plan_lines_and_obstacles_are_told() {
        let config = "alias al-* a\nblacklist a\noptions b x=1\ninstall b \"run\"\n";
        let (shown, json) = told(config, "module_blacklist=c,a", "al-1");
        assert_contains(
            &shown,
            &[
                "module:   a\n",
                "found as: alias line of the configuration (al_*)\n",
                "state:    loaded\n",
                "    install \"run\" x=1 [dependency for b]\n",
                "[wanted]\n",
                "    x.conf line 1: alias al_* a\n",
                "    x.conf line 2: blacklist a\n",
                "    x.conf line 3: options b x=1\n",
                "    x.conf line 2 blacklists a, and it was found through an alias\n",
                "    x.conf line 4 replaces the load of b by: \"run\"\n",
                "    module_blacklist= on the kernel command line forbids a\n",
            ],
        );
        assert!(json.starts_with("[{\"module\":\"a\","), "{json}");
        assert!(
            json.contains("\"install \\\"run\\\" x=1\",\"module\":\"b\",\"role\":\"dependency\""),
            "{json}"
        );
    }

    #[test]
    fn what_is_built_in_is_in_nobodys_way() {
        let (shown, json) = told("install c /bin/false\noptions c x=1\n", "", "c");
        assert_contains(
            &shown,
            &[
                "state:    built in\nplan:\n    builtin c [wanted]\n",
                "x.conf line 1: install c /bin/false (no effect: it is built in)\n",
                "options c x=1 (no effect: it is built in: its parameters are set on the kernel command line)",
            ],
        );
        assert!(!shown.contains("in the way"), "{shown}");
        assert!(json.contains("\"effective\":false"), "{json}");
    }

    #[test]
    fn lines_without_effect_are_shown_with_the_reason() {
        let config = "install a first\ninstall a* second\nsoftdep b pre: c\nsoftdep b pre: a\noptions a y=1\n\
                      options a y=2\nblacklist b\nblacklist a\ninstall b /bin/false\n";
        let (shown, _) = told(config, "modprobe.blacklist=a-x", "a");
        assert_contains(
            &shown,
            &[
                "x.conf line 1: install a first\n",
                "line 2: install a* second (no effect: x.conf line 1 comes before, and only the first counts)\n",
                "line 4: softdep b pre: a (kmod would take x.conf line 3 alone)\n",
                "line 5: options a y=1 (no effect: x.conf line 6 sets y anew, and the last counts)\n",
                "line 7: blacklist b (no effect: it does not hold for dependencies)\n",
                "line 8: blacklist a (no effect: it holds for aliases, and the module was named)\n",
                "line 9: install b /bin/false (kmod would not run it because of the softdep in x.conf line 3)\n",
                "parameters:\n    y: configured 2, now 8\n",
            ],
        );
    }

    #[test]
    fn the_device_with_an_alias_is_named_with_its_driver() {
        let (shown, _) = told("alias pci:v* a\n", "", "pci:v1");
        assert_contains(&shown, &["device:   0000:00:01.0, which no driver has\n"]);
        assert!(!shown.contains("wins"), "{shown}");
    }

    #[test]
    fn of_several_modules_for_a_device_the_first_that_is_let_in_wins() {
        let (shown, json) = told("alias pci:v* b\nalias pci:v* a\n", "", "pci:v1");
        assert_contains(
            &shown,
            &[
                "wins:     it comes in first, so its driver is asked first\n",
                "wins:     it is loaded, and has not taken the device\n",
            ],
        );
        assert!(json.contains("\"wins\":\"it comes in first, so its driver is asked first\""), "{json}");
        let (shown, _) = told("alias pci:v* b\nalias pci:v* a\nblacklist b\n", "", "pci:v1");
        assert_contains(&shown, &["wins:     it is kept out\n"]);
    }

    #[test]
    fn modules_are_told_apart_by_an_empty_line() {
        let (shown, _) = told("alias two a\nalias two b\n", "", "two");
        assert_eq!(shown.matches("\n\nmodule:   b\n").count(), 1, "{shown}");
    }
}
