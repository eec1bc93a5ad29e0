//! Before a removal: saves what differs from the baseline.

use std::path::PathBuf;

use modfile::ModuleName;

use super::baseline::Baseline;
use super::document::{self, Document, Header};
use super::file::{self, Trusted};
use super::key::Key;
use super::network::Network;
use super::notice::Notice;
use super::values;
use crate::config::What;
use crate::directory::FOR_OWNER;
use crate::identity::Identity;
use crate::places::Places;

/// A module that is about to go, or whose settings are to be saved without that.
pub struct Saving<'a> {
    /// Its name.
    pub module: &'a ModuleName,
    /// The `persist` lines that name it.
    pub rules: &'a [&'a What],
    /// Which load it is.
    pub identity: &'a Identity,
    /// What the file's first line says.
    pub header: &'a Header,
}

/// What a saving did.
#[derive(Debug, Default)]
pub struct Saved {
    /// The settings file, if it was written: it is not if it would say the same.
    pub written: Option<PathBuf>,
    /// What is worth telling.
    pub notices: Vec<Notice>,
}

/// Saves what differs from the baseline of this load, atomically and on disk before it returns. If the removal
/// then fails nothing is lost. Does nothing without rules, and writes nothing if the file would say the same.
#[must_use]
pub fn save_before_removal(places: &Places, saving: &Saving<'_>) -> Saved {
    let mut saved = Saved::default();
    if !saving.rules.is_empty() {
        saved.written = save(places, saving, &mut saved.notices);
    }
    saved
}

fn save(places: &Places, saving: &Saving<'_>, notices: &mut Vec<Notice>) -> Option<PathBuf> {
    let &Saving { module, rules, identity, header } = saving;
    let network = Network::of_rules(places, rules);
    let present = values::read_all(places, &network, module, rules, notices);
    if present.is_empty() {
        return None;
    }
    let mut baseline = match Baseline::read(places, module, identity) {
        Ok(Some(baseline)) => baseline,
        Ok(None) => {
            notices.push(Notice::NoBaseline);
            return None;
        }
        Err(notice) => {
            notices.push(notice);
            return None;
        }
    };
    let before = notices.len();
    let old = file::read(places, module, notices);
    if notices.len() > before {
        // A file that is not believed is not written either: it is for a person to look at.
        return None;
    }
    let old = old.unwrap_or_else(|| Trusted { document: Document::default(), mode: FOR_OWNER });
    let in_effect = baseline.in_effect.clone();
    let new = changed(&old.document, &present, &mut baseline, notices);
    let is_new = new != old.document;
    if is_new && let Err(notice) = file::write(places, module, &new, header, old.mode) {
        notices.push(notice);
        return None;
    }
    if in_effect != baseline.in_effect {
        // If it cannot be noted, a value that is set back just stays saved.
        let _ = baseline.write(places, module, identity);
    }
    is_new.then(|| file::path(places, module))
}

/// The file as it should be: what differs from the baseline is in it; what was set back to it is not. A saved
/// value that was not in effect in this load says nothing by being absent, and stays.
fn changed(
    old: &Document,
    present: &[(Key, Vec<u8>)],
    baseline: &mut Baseline,
    notices: &mut Vec<Notice>,
) -> Document {
    let mut new = old.clone();
    for (key, value) in present {
        match baseline.value(key) {
            Some(at_load) if at_load == value => {
                if let Some(at) = baseline.in_effect.iter().position(|other| other == key) {
                    baseline.in_effect.remove(at);
                    new.remove(key);
                }
            }
            Some(_) if !document::is_plain(value) => {
                notices.push(Notice::NotPlain(key.clone()));
                // What was saved before is out of date.
                if let Some(at) = baseline.in_effect.iter().position(|other| other == key) {
                    baseline.in_effect.remove(at);
                    new.remove(key);
                }
            }
            Some(_) => {
                new.set(key, value);
                if !baseline.in_effect.contains(key) {
                    baseline.in_effect.push(key.clone());
                }
            }
            // It was not there at the load, so nobody knows what it was then.
            None => {}
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::restore::PutBack;
    use super::super::tests::system;

    const FILE: &str = "var/lib/modutils/settings/m";

    #[test]
    fn without_the_baseline_of_this_load_nothing_is_saved() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        let sentence = "none is saved, as its values right after the load are not known";
        assert_eq!(system.removed(1), [sentence]);
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write("sys/module/m/parameters/a", "2\n");
        assert_eq!(system.removed(2), [sentence]);
        assert!(!system.path(FILE).exists());
    }

    #[test]
    fn the_directories_above_are_made_where_there_are_none() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        fs::remove_dir_all(system.path("var")).unwrap();
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write("sys/module/m/parameters/a", "2\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert!(system.read(FILE).ends_with("parameters/a = 2\n"));
    }

    #[test]
    fn nothing_is_written_where_nothing_was_changed() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.removed(1), [""; 0]);
        assert!(!system.path("var/lib/modutils").exists());
    }

    #[test]
    fn a_value_set_back_to_what_it_was_at_load_is_forgotten() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/a", "1\n"), (FILE, "# why\nparameters/a = 5\nparameters/gone = 1\n")],
        );
        // The kernel refuses what is gone; that it was saved stays.
        assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 1);
        system.write("sys/module/m/parameters/a", "1\n");
        assert_eq!(system.removed(1), [""; 0]);
        let text = system.read(FILE);
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["# why", "parameters/gone = 1"]);
    }

    #[test]
    fn values_that_are_no_line_of_text_are_refused_with_a_notice() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/a", "1\n"), ("sys/module/m/parameters/b", "1\n")],
        );
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write("sys/module/m/parameters/a", "two\nlines\n");
        system.write("sys/module/m/parameters/b", "2\n");
        assert_eq!(
            system.removed(1),
            ["parameters/a is not one line of text: it is not saved, and an older value is forgotten"]
        );
        assert_eq!(system.read(FILE).lines().skip(1).collect::<Vec<_>>(), ["parameters/b = 2"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_one_notice() {
        let system =
            system("persist m\n", &[("sys/module/m/parameters/a", "1\n"), ("var/lib/modutils", "a file")]);
        // Settings cannot even be looked for.
        assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 1);
        system.write("sys/module/m/parameters/a", "2\n");
        assert_eq!(system.removed(1).len(), 1);
    }

    #[test]
    fn a_saved_value_that_was_not_put_back_stays_saved() {
        let text = "parameters/a = 5\nsysctl/net/core/default_qdisc = fq\n";
        for (put_back, given) in
            [(PutBack::Nothing, &[][..]), (PutBack::Everything, &["a"]), (PutBack::WhatLoadsNothing, &["a"])]
        {
            let system = system(
                "persist m\npersist m sysctl net/core/*\n",
                &[("sys/module/m/parameters/a", "1\n"), ("sys/module/m/parameters/b", "1\n"), (FILE, text)],
            );
            let _ = system.inserted(1, put_back, given);
            assert_eq!(system.value("sys/module/m/parameters/a"), "1", "{put_back:?}");
            assert_eq!(system.removed(1), [""; 0]);
            assert_eq!(system.read(FILE), text, "{put_back:?}");
            // What is changed in such a load is saved anyway.
            system.write("sys/module/m/parameters/b", "2\n");
            assert_eq!(system.removed(1), [""; 0]);
            assert!(system.read(FILE).ends_with(&format!("{text}parameters/b = 2\n")), "{put_back:?}");
        }
    }

    #[test]
    fn a_line_written_by_hand_after_the_load_waits_for_the_next_one() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write(FILE, "parameters/a = 5\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(system.inserted(2, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/a"), "5");
    }

    #[test]
    fn a_value_saved_in_between_and_then_set_back_is_forgotten() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write("sys/module/m/parameters/a", "5\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert!(system.read(FILE).ends_with("parameters/a = 5\n"));
        system.write("sys/module/m/parameters/a", "1\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(system.read(FILE).lines().count(), 1);
    }

    #[test]
    fn a_read_only_file_is_put_back_and_never_changed() {
        let text = "parameters/a = 5\n";
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n"), (FILE, text)]);
        fs::set_permissions(system.path(FILE), fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/a"), "5");
        assert_eq!(system.removed(1), [""; 0]);
        system.write("sys/module/m/parameters/a", "6\n");
        let file = system.path(FILE).display().to_string();
        assert_eq!(system.removed(1), [format!("{file}: left as it is, as it is read-only")]);
        assert_eq!(system.read(FILE), text);
    }

    #[test]
    fn only_the_owner_may_read_what_is_saved_unless_somebody_allowed_it() {
        let system = system("persist m\n", &[("sys/module/m/parameters/a", "1\n")]);
        let mode = |path: &str| fs::metadata(system.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(mode("run/modutils/baseline/m"), 0o600);
        system.write("sys/module/m/parameters/a", "2\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(mode(FILE), 0o600);
        fs::set_permissions(system.path(FILE), fs::Permissions::from_mode(0o644)).unwrap();
        system.write("sys/module/m/parameters/a", "3\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(mode(FILE), 0o644);
    }
}
