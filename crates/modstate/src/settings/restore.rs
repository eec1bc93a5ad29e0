//! After an insertion: takes the baseline and puts saved values back.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use modfile::ModuleName;

use super::document::Document;
use super::key::Key;
use super::notice::Notice;
use super::{Places, baseline, values};
use crate::config::What;
use crate::identity::Identity;
use crate::small_file;

/// On whose behalf a module was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody, by name or through a program.
    Person,
    /// The kernel, which waits for the module. What would make it ask for another one is left alone.
    Kernel,
}

/// A module that was just inserted.
pub struct Restoring<'a> {
    /// Its name.
    pub module: &'a ModuleName,
    /// The `persist` lines that name it.
    pub rules: &'a [&'a What],
    /// Which load it is.
    pub identity: &'a Identity,
    /// On whose behalf it was loaded.
    pub caller: Caller,
    /// Whether a parameter was given for this load: on the command line, in modprobe.d or to the kernel.
    pub given: &'a dyn Fn(&[u8]) -> bool,
    /// The only user whose settings files are believed: 0.
    pub owner: u32,
}

/// Takes the baseline of a load and writes back what is saved. Does nothing without rules.
#[must_use]
pub fn restore_after_insertion(places: &Places, restoring: &Restoring<'_>) -> Vec<Notice> {
    let &Restoring { module, rules, identity, .. } = restoring;
    let mut notices = Vec::new();
    if rules.is_empty() {
        return notices;
    }
    let present = values::read_all(places, module, rules, &mut notices);
    // Without a place for it nothing will be saved later, which the save tells.
    if let Err(error) = baseline::write(places, module, identity, &present)
        && !matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound)
    {
        notices.push(Notice::CannotWrite(places.baselines.clone(), error));
    }
    let Some(path) = small_file::of_module(&places.settings, module) else { return notices };
    let Some(document) = trusted(&path, restoring.owner, &mut notices) else { return notices };
    notices.extend(document.bad_lines().map(|line| Notice::BadLine(path.clone(), line)));
    for (key, value) in document.settings() {
        if !key.is_allowed(rules) {
            notices.push(Notice::NotAllowed(path.clone(), key.clone()));
        } else if restoring.caller == Caller::Kernel && key.loads_modules() {
            notices.push(Notice::LoadsModules(key.clone()));
        } else if !is_given(restoring, key)
            && let Err(error) = values::write(places, module, key, value)
        {
            notices.push(Notice::Refused { key: key.clone(), value: value.to_vec(), error });
        }
    }
    notices
}

/// A parameter given with `-` in its name is the same one with `_`.
fn is_given(restoring: &Restoring<'_>, key: &Key) -> bool {
    matches!(key, Key::Parameter(name) if (restoring.given)(name))
}

/// The settings file, if there is one and nobody but its owner can have written it.
pub(super) fn trusted(path: &Path, owner: u32, notices: &mut Vec<Notice>) -> Option<Document> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let opened = small_file::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            notices.push(Notice::CannotRead(path.to_owned(), error));
            return None;
        }
    };
    if metadata.uid() != owner || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        notices.push(Notice::NotTrusted(path.to_owned()));
        return None;
    }
    match small_file::read_open(&file) {
        Ok(text) => Some(Document::parse(&text)),
        Err(error) => {
            notices.push(Notice::CannotRead(path.to_owned(), error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::tests::system;
    use super::*;

    const FILE: &str = "var/lib/modutils/settings/m";

    #[test]
    fn a_parameter_given_for_this_load_is_not_overwritten() {
        let system = system(
            "persist m\n",
            &[
                ("sys/m/parameters/a", "7"),
                ("sys/m/parameters/b", "7"),
                (FILE, "parameters/a = 1\nparameters/b = 1\n"),
            ],
        );
        assert_eq!(system.inserted(1, Caller::Person, &["a"]), [""; 0]);
        assert_eq!(system.read("sys/m/parameters/a"), "7");
        assert_eq!(system.read("sys/m/parameters/b"), "1\n");
    }

    #[test]
    fn what_no_line_allows_is_not_written() {
        let system = system(
            "persist m parameters a\n",
            &[
                ("sys/m/parameters/a", "7"),
                ("sys/m/parameters/b", "7"),
                ("proc/kernel/x", "7"),
                (
                    FILE,
                    "parameters/b = 1\nsysctl/kernel/x = 1\nsysctl/../sys/m/parameters/a = 1\nparameters/a = 1\n",
                ),
            ],
        );
        let notices = system.inserted(1, Caller::Person, &[]);
        let file = system.path(FILE).display().to_string();
        assert_eq!(
            notices,
            [
                format!("{file} line 3: not understood, ignored"),
                format!("{file}: no persist line names parameters/b, ignored"),
                format!("{file}: no persist line names sysctl/kernel/x, ignored"),
            ]
        );
        assert_eq!(system.read("sys/m/parameters/b"), "7");
        assert_eq!(system.read("proc/kernel/x"), "7");
        assert_eq!(system.read("sys/m/parameters/a"), "1\n");
    }

    #[test]
    fn a_value_that_is_refused_is_one_notice_and_the_others_are_written() {
        let system = system(
            "persist m\n",
            &[("sys/m/parameters/b", "7"), (FILE, "parameters/a = 1\nparameters/b = 1\n")],
        );
        assert_eq!(
            system.inserted(1, Caller::Person, &[]),
            ["the saved value '1' of parameters/a was refused"]
        );
        assert_eq!(system.read("sys/m/parameters/b"), "1\n");
    }

    #[test]
    fn a_file_that_others_can_write_is_ignored() {
        for mode in [0o664, 0o646, 0o622] {
            let system = system("persist m\n", &[("sys/m/parameters/a", "7"), (FILE, "parameters/a = 1\n")]);
            std::fs::set_permissions(system.path(FILE), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(system.inserted(1, Caller::Person, &[]).len(), 1, "{mode:o}");
            assert_eq!(system.read("sys/m/parameters/a"), "7");
        }
    }

    #[test]
    fn a_file_of_another_user_is_ignored() {
        let system = system("persist m\n", &[(FILE, "parameters/a = 1\n")]);
        let mut notices = Vec::new();
        let other = rustix::process::geteuid().as_raw() + 1;
        assert_eq!(trusted(&system.path(FILE), other, &mut notices), None);
        assert!(matches!(notices.as_slice(), [Notice::NotTrusted(_)]));
    }

    #[test]
    fn a_link_in_the_place_of_the_file_is_not_followed() {
        let system = system("persist m\n", &[("sys/m/parameters/a", "7"), ("else", "parameters/a = 1\n")]);
        std::fs::create_dir_all(system.path("var/lib/modutils/settings")).unwrap();
        symlink(system.path("else"), system.path(FILE)).unwrap();
        assert_eq!(system.inserted(1, Caller::Person, &[]).len(), 1);
        assert_eq!(system.read("sys/m/parameters/a"), "7");
    }

    #[test]
    fn in_a_request_of_the_kernel_nothing_that_needs_another_module_is_written() {
        let path = "proc/net/core/default_qdisc";
        let system = system(
            "persist m sysctl net/core/*\n",
            &[(path, "fifo"), (FILE, "sysctl/net/core/default_qdisc = fq\n")],
        );
        assert_eq!(system.inserted(1, Caller::Kernel, &[]).len(), 1);
        assert_eq!(system.read(path), "fifo");
        assert_eq!(system.inserted(1, Caller::Person, &[]), [""; 0]);
        assert_eq!(system.read(path), "fq\n");
    }

    #[test]
    fn a_baseline_that_cannot_be_written_does_not_keep_values_from_coming_back() {
        let system = system(
            "persist m\n",
            &[("sys/m/parameters/a", "7"), (FILE, "parameters/a = 1\n"), ("run/modutils", "a file")],
        );
        assert_eq!(system.inserted(1, Caller::Person, &[]).len(), 1);
        assert_eq!(system.read("sys/m/parameters/a"), "1\n");
    }
}
