//! All about a module's settings, for people. Changes nothing.

use std::collections::BTreeMap;

use modfile::ModuleName;

use super::baseline::Baseline;
use super::document::Document;
use super::key::Key;
use super::network::Network;
use super::notice::Notice;
use super::{file, values};
use crate::config::What;
use crate::identity::Identity;
use crate::places::Places;

/// One setting of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: Key,
    /// Its value now, if it is there.
    pub now: Option<Vec<u8>>,
    /// Its value right after the load, if that is known.
    pub at_load: Option<Vec<u8>>,
    /// Its saved value, if there is one that is believed.
    pub saved: Option<Vec<u8>>,
}

/// The settings of a module that `persist` lines name.
#[derive(Debug, Default)]
pub struct Shown {
    /// Sorted by name.
    pub settings: Vec<Setting>,
    /// What is worth telling.
    pub notices: Vec<Notice>,
    /// Whether the values right after its present load are known, in a word: `yes`, `no`, or `early` if saved values
    /// could not be looked for then.
    pub baseline: &'static str,
}

/// The present value of a setting, and the saved one.
type Values<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// The settings of a module that the rules name, those of its present load and those that are saved. A module
/// without a load has saved ones only.
#[must_use]
pub fn show(places: &Places, module: &ModuleName, rules: &[&What], load: Option<&Identity>) -> Shown {
    let mut notices = Vec::new();
    let (mut present, mut baseline) = (Vec::new(), Baseline::default());
    let mut has_baseline = "no";
    if let Some(load) = load {
        present = values::read_all(places, &Network::of_rules(places, rules), module, rules, &mut notices);
        match Baseline::read(places, module, load) {
            Ok(None) => {}
            Ok(Some(found)) => {
                has_baseline = if found.served { "yes" } else { "early" };
                baseline = found;
            }
            Err(notice) => notices.push(notice),
        }
    }
    let saved = file::read(places, module, &mut notices).map(|file| file.document);
    let mut settings: BTreeMap<&Key, Values<'_>> = BTreeMap::new();
    for (key, value) in &present {
        settings.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in saved.iter().flat_map(Document::settings).filter(|(key, _)| key.is_allowed(rules)) {
        settings.entry(key).or_default().1 = Some(value);
    }
    let settings = settings.into_iter().map(|(key, (now, saved))| Setting {
        now: now.map(<[u8]>::to_vec),
        at_load: baseline.value(key).map(<[u8]>::to_vec),
        saved: saved.map(<[u8]>::to_vec),
        key: key.clone(),
    });
    Shown { settings: settings.collect(), notices, baseline: has_baseline }
}

/// The modules that have a settings file, in no order.
///
/// # Errors
/// The directory is there and cannot be listed, or is not believed.
pub fn with_saved(places: &Places) -> Result<Vec<ModuleName>, Notice> {
    let Some(directory) = file::open(places)? else { return Ok(Vec::new()) };
    let names = directory.names().map_err(|error| Notice::CannotRead(places.settings(), error))?;
    // Hidden ones are files that were not finished.
    Ok(names.iter().filter(|name| !name.starts_with(b".")).map(|name| ModuleName::new(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::restore::PutBack;
    use super::super::tests::system;
    use super::*;

    const FILE: &str = "var/lib/modutils/settings/m";

    #[test]
    fn present_first_and_saved_values_stand_side_by_side() {
        let system = system(
            "persist m parameters a b gone\n",
            &[
                ("sys/module/m/parameters/a", "1\n"),
                ("sys/module/m/parameters/b", "1\n"),
                ("sys/module/m/parameters/c", "1\n"),
                (FILE, "parameters/gone = 3\nparameters/a = 2\nparameters/other = 4\n"),
            ],
        );
        let show = |load| {
            let shown = show(&system.places, system.module(), &system.rules(), load);
            assert!(shown.notices.is_empty(), "{:?}", shown.notices);
            let text =
                |value: Option<Vec<u8>>| value.map_or("-".into(), |value| String::from_utf8(value).unwrap());
            let line = |shown: Setting| {
                format!("{} {} {} {}", shown.key, text(shown.now), text(shown.at_load), text(shown.saved))
            };
            shown.settings.into_iter().map(line).collect::<Vec<_>>()
        };
        let load = system.load(1);
        assert_eq!(show(None), ["parameters/a - - 2", "parameters/gone - - 3"]);
        assert_eq!(show(Some(&load))[..2], ["parameters/a 1 - 2", "parameters/b 1 - -"]);
        // What is saved and gone is refused.
        assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 2);
        assert_eq!(show(Some(&load)), ["parameters/a 2 1 2", "parameters/b 1 1 -", "parameters/gone - - 3"]);
        let names = with_saved(&system.places).unwrap();
        assert_eq!(names, [system.module().clone()]);
    }
}
