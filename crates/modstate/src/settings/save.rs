//! Before a removal: saves what differs from the baseline.

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use modfile::ModuleName;

use super::document::{self, Document, Header};
use super::key::Key;
use super::notice::Notice;
use super::restore::trusted;
use super::{Places, baseline, values};
use crate::config::What;
use crate::identity::Identity;
use crate::small_file::{self, Durability};

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
    /// The only user whose settings files are believed: 0.
    pub owner: u32,
}

/// The present settings of a module that the rules name, sorted by name.
#[must_use]
pub fn current(places: &Places, module: &ModuleName, rules: &[&What]) -> (Vec<(Key, Vec<u8>)>, Vec<Notice>) {
    let mut notices = Vec::new();
    (values::read_all(places, module, rules, &mut notices), notices)
}

/// Saves what differs from the baseline of this load, atomically and on disk before it returns. If the removal
/// then fails nothing is lost. Does nothing without rules, and writes nothing if the file would say the same.
#[must_use]
pub fn save_before_removal(places: &Places, saving: &Saving<'_>) -> Vec<Notice> {
    let &Saving { module, rules, identity, header, owner } = saving;
    let mut notices = Vec::new();
    if rules.is_empty() {
        return notices;
    }
    let present = values::read_all(places, module, rules, &mut notices);
    if present.is_empty() {
        return notices;
    }
    let Some(baseline) = baseline::read(places, module, identity) else {
        notices.push(Notice::NoBaseline);
        return notices;
    };
    let Some(path) = small_file::of_module(&places.settings, module) else { return notices };
    let before = notices.len();
    let old = trusted(&path, owner, &mut notices);
    if notices.len() > before {
        // A file that is not believed is not written either: it is for a person to look at.
        return notices;
    }
    let old = old.unwrap_or_default();
    let new = changed(&old, &present, &baseline, &mut notices);
    if new != old {
        let written = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&places.settings)
            .and_then(|()| small_file::replace(&path, &new.format(header), Durability::Durable));
        if let Err(error) = written {
            notices.push(Notice::CannotWrite(path, error));
        }
    }
    notices
}

/// The file as it should be: what differs from the baseline is in it, what does not is not.
fn changed(
    old: &Document,
    present: &[(Key, Vec<u8>)],
    baseline: &[(Key, Vec<u8>)],
    notices: &mut Vec<Notice>,
) -> Document {
    let mut new = old.clone();
    for (key, value) in present {
        match baseline.iter().find(|(other, _)| other == key) {
            Some((_, at_load)) if at_load == value => new.remove(key),
            _ if !document::is_plain(value) => notices.push(Notice::NotPlain(key.clone())),
            Some(_) => new.set(key, value),
            // It was not there at the load, so nobody knows what it was then.
            None => {}
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::super::restore::Caller;
    use super::super::tests::system;

    const FILE: &str = "var/lib/modutils/settings/m";

    #[test]
    fn without_the_baseline_of_this_load_nothing_is_saved() {
        let system = system("persist m\n", &[("sys/m/parameters/a", "1\n")]);
        let sentence = "its values right after the load are not known, so none is saved";
        assert_eq!(system.removed(1), [sentence]);
        assert_eq!(system.inserted(1, Caller::Person, &[]), [""; 0]);
        system.write("sys/m/parameters/a", "2\n");
        assert_eq!(system.removed(2), [sentence]);
        assert!(!system.path(FILE).exists());
    }

    #[test]
    fn nothing_is_written_where_nothing_was_changed() {
        let system = system("persist m\n", &[("sys/m/parameters/a", "1\n")]);
        assert_eq!(system.inserted(1, Caller::Person, &[]), [""; 0]);
        assert_eq!(system.removed(1), [""; 0]);
        assert!(!system.path("var/lib").exists());
    }

    #[test]
    fn a_value_set_back_to_what_it_was_at_load_is_forgotten() {
        let system = system(
            "persist m\n",
            &[("sys/m/parameters/a", "1\n"), (FILE, "# why\nparameters/a = 5\nparameters/gone = 1\n")],
        );
        // The kernel refuses what is gone; that it was saved stays.
        assert_eq!(system.inserted(1, Caller::Person, &[]).len(), 1);
        system.write("sys/m/parameters/a", "1\n");
        assert_eq!(system.removed(1), [""; 0]);
        let text = system.read(FILE);
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["# why", "parameters/gone = 1"]);
    }

    #[test]
    fn values_that_are_no_line_of_text_are_refused_with_a_notice() {
        let system = system("persist m\n", &[("sys/m/parameters/a", "1\n"), ("sys/m/parameters/b", "1\n")]);
        assert_eq!(system.inserted(1, Caller::Person, &[]), [""; 0]);
        system.write("sys/m/parameters/a", "two\nlines\n");
        system.write("sys/m/parameters/b", "2\n");
        assert_eq!(system.removed(1), ["parameters/a is not one line of text and is not saved"]);
        assert_eq!(system.read(FILE).lines().skip(1).collect::<Vec<_>>(), ["parameters/b = 2"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_one_notice() {
        let system = system("persist m\n", &[("sys/m/parameters/a", "1\n"), ("var/lib", "a file")]);
        // Settings cannot even be looked for.
        assert_eq!(system.inserted(1, Caller::Person, &[]).len(), 1);
        system.write("sys/m/parameters/a", "2\n");
        assert_eq!(system.removed(1).len(), 1);
    }
}
