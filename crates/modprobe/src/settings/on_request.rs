//! `--save-settings` and `--show-settings`: nothing is loaded or unloaded.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use modcli::{Ended, Exit, Reporter};
use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState, Native};
use modload::Refusal;
use modstate::settings::{self, Notice, Setting};

use super::Settings;
use crate::messages;
use crate::request::Persist;
use crate::tool::Run;

/// Saves the settings of the named modules, or of all that are loaded and that modutils.d names.
pub(crate) fn save(run: &Run<'_>, names: &[OsString]) -> Exit {
    let native = Native::of_system();
    let keeper = keeper(run, &native);
    let reporter = &run.session.reporter;
    let mut exit = Exit::Success;
    let mut unknown = Vec::new();
    let Some(modules) = chosen(names, reporter, || loaded(&keeper, &native)) else { return Exit::Failure };
    for module in &modules {
        if let Some(text) = refusal(&keeper, &native, module) {
            reporter.error(text);
            exit = Exit::Failure;
            continue;
        }
        let saved = keeper.save(module).unwrap_or_default();
        for notice in &saved.notices {
            match notice {
                Notice::NoBaseline if names.is_empty() => unknown.push(module),
                Notice::NotPlain(_) | Notice::ReadOnly(_) | Notice::Unreadable(..) => {
                    keeper.tell(module, notice);
                }
                _ => {
                    reporter.error(messages::setting(module, notice));
                    exit = Exit::Failure;
                }
            }
        }
        if let Some(file) = &saved.written {
            reporter.info(messages::saved(module, file));
        }
    }
    if !unknown.is_empty() {
        reporter.warning(messages::no_baselines(&unknown));
    }
    exit
}

/// Prints the settings of the named modules, or of all that modutils.d names and that are loaded or have some saved.
///
/// # Errors
/// Standard output cannot take them.
pub(crate) fn show(run: &Run<'_>, names: &[OsString]) -> Result<Exit, Ended> {
    let native = Native::of_system();
    let keeper = keeper(run, &native);
    let places = &run.places;
    let reporter = &run.session.reporter;
    let mut exit = Exit::Success;
    let mut rows = Vec::new();
    let Some(modules) = chosen(names, reporter, || all(&keeper, &native)) else { return Ok(Exit::Failure) };
    for module in &modules {
        let rules: Vec<_> = keeper.rules(module).collect();
        if rules.is_empty() {
            reporter.error(messages::not_persistent(module));
            exit = Exit::Failure;
            continue;
        }
        let load = places.load_of(module).filter(|_| is_loaded(&native, module));
        let shown = settings::show(places, module, &rules, load.as_ref());
        for notice in &shown.notices {
            reporter.warning(messages::setting(module, notice));
        }
        if load.is_none() && shown.settings.is_empty() {
            reporter.error(messages::neither_loaded_nor_saved(module));
            exit = Exit::Failure;
        }
        rows.extend(shown.settings.into_iter().map(|setting| (module, setting)));
    }
    run.session.output.print(table(&rows))?;
    Ok(exit)
}

fn keeper<'a>(run: &'a Run<'_>, native: &'a Native) -> Settings<'a> {
    run.settings(native.sysfs().modules(), Persist::AsConfigured)
}

/// The named modules, or if none is named `otherwise`; `None`, and told, if those are not known.
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
fn refusal(keeper: &Settings<'_>, native: &Native, module: &ModuleName) -> Option<Vec<u8>> {
    if keeper.rules(module).next().is_none() {
        return Some(messages::not_persistent(module));
    }
    (!is_loaded(native, module)).then(|| messages::refused(module, Refusal::Absent))
}

/// Whether a module is there and was loaded; what is built in has no state.
fn is_loaded(native: &Native, module: &ModuleName) -> bool {
    matches!(native.state(module), Ok(ModuleState::Live))
}

/// The loaded modules that a `persist` line names, sorted; or why they are not known.
fn loaded(keeper: &Settings<'_>, native: &Native) -> Result<Vec<ModuleName>, Vec<u8>> {
    if !keeper.modutils.config(keeper.reporter).persists_anything() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(keeper.sys_module)
        .map_err(|error| messages::cannot_list(keeper.sys_module, &error))?;
    let mut modules = Vec::new();
    for entry in entries.flatten() {
        let name = ModuleName::new(entry.file_name().as_bytes());
        if keeper.rules(&name).next().is_some() && is_loaded(native, &name) {
            add(&mut modules, name);
        }
    }
    Ok(modules)
}

/// [`loaded`] ones and those that have settings saved, sorted.
fn all(keeper: &Settings<'_>, native: &Native) -> Result<Vec<ModuleName>, Vec<u8>> {
    let mut modules = loaded(keeper, native)?;
    if keeper.modutils.config(keeper.reporter).persists_anything() {
        let saved =
            settings::with_saved(keeper.places).map_err(|notice| messages::settings_unknown(&notice))?;
        for name in saved {
            if keeper.rules(&name).next().is_some() {
                add(&mut modules, name);
            }
        }
    }
    Ok(modules)
}

/// Puts a name in its place in a sorted list, unless it stands there.
fn add(modules: &mut Vec<ModuleName>, name: ModuleName) {
    if let Err(at) = modules.binary_search(&name) {
        modules.insert(at, name);
    }
}

/// Columns are no wider than this, in characters; what does not fit pushes the rest of its line to the right.
const WIDEST: usize = 60;

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
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).min(WIDEST)
    };
    let (a, b, c, d) = (width(0), width(1), width(2), width(3));
    let mut text = String::new();
    for [module, key, now, at_load, saved] in &rows {
        let _ = writeln!(text, "{module:a$}  {key:b$}  {now:c$}  {at_load:d$}  {saved}");
    }
    text
}

/// A value as a cell: `-` if there is none.
fn value(value: Option<&[u8]>) -> String {
    match value {
        None => "-".to_owned(),
        Some(b"") => "\"\"".to_owned(),
        Some(value) => plain(value),
    }
}

/// Text that cannot move the cursor of a terminal.
fn plain(bytes: &[u8]) -> String {
    let clean = |character: char| match character {
        '\t' => ' ',
        character if character.is_control() => '?',
        character => character,
    };
    String::from_utf8_lossy(bytes).chars().map(clean).collect()
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
