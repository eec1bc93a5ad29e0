//! `--save-settings`, `--restore-settings` and `--show-settings`: nothing is loaded or unloaded.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use modcli::table::plain;
use modcli::{Ended, Exit, Reporter};
use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState};
use modload::{Event, Observer, Persist, Refusal, Settings};
use modstate::settings::{Notice, Setting};
use modstate::{Identity, Memory};

use crate::context::Run;
use crate::messages;
use crate::observer::Teller;

/// Saves the settings of the named modules, or of all that are loaded and that modutils.d names.
pub(crate) fn save(run: &Run<'_>, names: &[OsString], kernel: &dyn KernelOps) -> Exit {
    let teller = Teller::of_query(run);
    let settings = run.settings(Persist::AsConfigured, &teller);
    let reporter = &run.session.reporter;
    let mut exit = Exit::Success;
    let mut unknown = Vec::new();
    let Some(modules) = chosen(names, reporter, || loaded(&settings, kernel)) else { return Exit::Failure };
    for module in &modules {
        if let Some(text) = refusal(&settings, kernel, module) {
            reporter.error(text);
            exit = Exit::Failure;
            continue;
        }
        let saved = settings.save(module).unwrap_or_default();
        for notice in &saved.notices {
            match notice {
                Notice::NoBaseline if names.is_empty() => unknown.push(module),
                Notice::NotPlain(_) | Notice::ReadOnly(_) | Notice::Unreadable(..) => {
                    teller.event(&Event::Setting { module, notice });
                }
                _ => {
                    reporter.error(messages::setting(module, notice));
                    exit = Exit::Failure;
                }
            }
        }
        if let Some(file) = &saved.written {
            reporter.when_verbose(messages::saved(module, file));
        }
    }
    if !unknown.is_empty() {
        reporter.warning(messages::no_baselines(&unknown));
    }
    exit
}

/// The longest wait for a module whose initialisation has not ended, and the pause between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Serves the loads of the named modules, or of all that are loaded and that modutils.d names, which nobody has served.
/// Notes whether there is anything to put back at all, for udev. A module that no line names is none of our business:
/// udev names all.
pub(crate) fn restore(run: &Run<'_>, names: &[OsString], persist: Persist, kernel: &dyn KernelOps) -> Exit {
    let teller = Teller::of_query(run);
    let settings = run.settings(persist, &teller);
    let reporter = &run.session.reporter;
    let persists = run.modutils.config(&teller).persists_anything();
    if names.is_empty()
        && let Err(error) = Memory::new(run.places).note_persistence(persists)
    {
        reporter.error(messages::cannot_note(&run.places.run, &error));
        return Exit::Failure;
    }
    if persist == Persist::NotThisTime {
        return Exit::Success;
    }
    let Some(modules) = chosen(names, reporter, || loaded(&settings, kernel)) else { return Exit::Failure };
    let mut exit = Exit::Success;
    for module in modules.iter().filter(|module| settings.rules(module).next().is_some()) {
        let given = run.db.config().options_for(module.as_bytes(), None);
        let is_served = is_live_soon(run, kernel, module) && settings.restore_later(module, &given);
        // Of all that were loaded, one may have gone meanwhile.
        if !is_served && !names.is_empty() {
            reporter.error(messages::refused(module, Refusal::Absent));
            exit = Exit::Failure;
        }
    }
    exit
}

/// Waits while a module is being initialised; whether it is there then.
fn is_live_soon(run: &Run<'_>, kernel: &dyn KernelOps, module: &ModuleName) -> bool {
    let mut left = LONGEST_WAIT;
    while matches!(kernel.state(module), Ok(ModuleState::Coming)) && !left.is_zero() {
        run.clock.pause(PAUSE);
        left = left.saturating_sub(PAUSE);
    }
    is_loaded(kernel, module)
}

/// Prints the settings of the named modules, or of all that modutils.d names and that are loaded or have some saved.
///
/// # Errors
/// Standard output cannot take them.
pub(crate) fn show(run: &Run<'_>, names: &[OsString], kernel: &dyn KernelOps) -> Result<Exit, Ended> {
    let teller = Teller::of_query(run);
    let settings = run.settings(Persist::AsConfigured, &teller);
    let places = run.places;
    let reporter = &run.session.reporter;
    let mut exit = Exit::Success;
    let mut rows = Vec::new();
    let mut loads = Vec::new();
    let Some(modules) = chosen(names, reporter, || all(&settings, kernel)) else { return Ok(Exit::Failure) };
    for module in &modules {
        let rules: Vec<_> = settings.rules(module).collect();
        if rules.is_empty() {
            reporter.error(messages::not_persistent(module));
            exit = Exit::Failure;
            continue;
        }
        let load = places.load_of(module).filter(|_| is_loaded(kernel, module));
        let shown = modstate::settings::show(places, module, &rules, load.as_ref());
        for notice in &shown.notices {
            reporter.warning(messages::setting(module, notice));
        }
        // A module whose state cannot be read may have settings to save.
        if load.is_none() && shown.settings.is_empty() && shown.notices.is_empty() {
            reporter.error(messages::neither_loaded_nor_saved(module));
            exit = Exit::Failure;
        }
        if let Some(load) = &load {
            loads.push([plain(module.as_bytes()), came_in(run, module, load), shown.baseline.into()]);
        }
        rows.extend(shown.settings.into_iter().map(|setting| (module, setting)));
    }
    run.session.output.print(table(&rows))?;
    run.session.output.print(table_of_loads(loads))?;
    Ok(exit)
}

/// How the present load of a module came about, as far as that is remembered.
fn came_in(run: &Run<'_>, module: &ModuleName, load: &Identity) -> String {
    let memory = Memory::new(run.places);
    if matches!(memory.pin(module), Ok(Some(pinned)) if pinned == *load) {
        return "on purpose".to_owned();
    }
    let records = memory.records().unwrap_or_default();
    let record = records.into_iter().find(|(name, _)| name == module).and_then(|(_, record)| record.ok());
    match record.filter(|record| record.identity == *load) {
        Some(record) => format!("by request {}", plain(&record.request)),
        None => "by another program".to_owned(),
    }
}

/// The loads that the settings belong to.
fn table_of_loads(loads: Vec<[String; 3]>) -> String {
    if loads.is_empty() {
        return String::new();
    }
    let heading = ["MODULE", "CAME IN", "BASELINE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(loads).collect();
    format!("\n{}", modcli::table::lines(&rows))
}

/// The named modules, or if none is named `otherwise`; `None`, and reported, if those are not known.
fn chosen(
    names: &[OsString],
    reporter: &Reporter,
    otherwise: impl FnOnce() -> Result<Vec<ModuleName>, Vec<u8>>,
) -> Option<Vec<ModuleName>> {
    if !names.is_empty() {
        return Some(names.iter().map(|name| ModuleName::new(name.as_bytes())).collect());
    }
    otherwise().map_err(|text| reporter.error(text)).ok()
}

/// Why the settings of a module cannot be saved.
fn refusal(settings: &Settings<'_>, kernel: &dyn KernelOps, module: &ModuleName) -> Option<Vec<u8>> {
    if settings.rules(module).next().is_none() {
        return Some(messages::not_persistent(module));
    }
    (!is_loaded(kernel, module)).then(|| messages::refused(module, Refusal::Absent))
}

/// Whether a module is there and was loaded; what is built in has no state.
fn is_loaded(kernel: &dyn KernelOps, module: &ModuleName) -> bool {
    matches!(kernel.state(module), Ok(ModuleState::Live))
}

/// The loaded modules that a `persist` line names, sorted; or why they are not known.
fn loaded(settings: &Settings<'_>, kernel: &dyn KernelOps) -> Result<Vec<ModuleName>, Vec<u8>> {
    if !settings.modutils.config(settings.observer).persists_anything() {
        return Ok(Vec::new());
    }
    let sys_module = settings.places.sys_module();
    let entries =
        std::fs::read_dir(&sys_module).map_err(|error| messages::cannot_list(&sys_module, &error))?;
    let mut modules = Vec::new();
    for entry in entries.flatten() {
        let name = ModuleName::new(entry.file_name().as_bytes());
        if settings.rules(&name).next().is_some() && is_loaded(kernel, &name) {
            add(&mut modules, name);
        }
    }
    Ok(modules)
}

/// [`loaded`] ones and those that have settings saved, sorted.
fn all(settings: &Settings<'_>, kernel: &dyn KernelOps) -> Result<Vec<ModuleName>, Vec<u8>> {
    let mut modules = loaded(settings, kernel)?;
    if settings.modutils.config(settings.observer).persists_anything() {
        let saved = modstate::settings::with_saved(settings.places)
            .map_err(|notice| messages::settings_unknown(&notice))?;
        for name in saved {
            if settings.rules(&name).next().is_some() {
                add(&mut modules, name);
            }
        }
    }
    Ok(modules)
}

/// Inserts a name into a sorted list, unless it is in there.
fn add(modules: &mut Vec<ModuleName>, name: ModuleName) {
    if let Err(at) = modules.binary_search(&name) {
        modules.insert(at, name);
    }
}

/// A table with a heading; nothing if there is nothing to show.
fn table(settings: &[(&ModuleName, Setting)]) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let mut rows = vec![["MODULE", "SETTING", "NOW", "AT LOAD", "SAVED"].map(str::to_owned)];
    rows.extend(settings.iter().map(|(module, setting)| {
        [
            plain(module.as_bytes()),
            setting.key.to_string(),
            value(setting.now.as_deref()),
            value(setting.at_load.as_deref()),
            value(setting.saved.as_deref()),
        ]
    }));
    modcli::table::lines(&rows)
}

/// A value as a cell: `-` if there is none.
fn value(value: Option<&[u8]>) -> String {
    match value {
        None => "-".to_owned(),
        Some(b"") => "\"\"".to_owned(),
        Some(value) => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use modstate::settings::Key;

    use super::*;

    #[test]
    fn each_setting_is_a_line_with_what_is_known_of_it() {
        let module = ModuleName::from("m");
        let setting = |key: &str, now: Option<&str>, at_load: Option<&str>, saved: Option<&str>| {
            let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            let key = Key::parse(key.as_bytes()).unwrap();
            (&module, Setting { key, now: bytes(now), at_load: bytes(at_load), saved: bytes(saved) })
        };
        let text = table(&[
            setting("parameters/a", Some("5"), Some("1"), None),
            setting("sysctl/net/x", Some("4\t5\x1b[2J"), Some(""), Some("4 5")),
            setting("parameters/long", None, None, Some(&"x".repeat(100))),
        ]);
        let long = "x".repeat(100);
        assert_eq!(
            text,
            format!(
                "MODULE  SETTING          NOW      AT LOAD  SAVED\n\
                 m       parameters/a     5        1        -\n\
                 m       sysctl/net/x     4 5?[2J  \"\"       4 5\n\
                 m       parameters/long  -        -        {long}\n"
            )
        );
        assert_eq!(table(&[]), "");
    }
}
