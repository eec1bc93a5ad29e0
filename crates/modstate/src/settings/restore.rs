//! After an insertion, at once or later: takes the baseline and puts saved values back.

// long: more than half are the tests of what is left alone

use std::io;

use modfile::ModuleName;

use super::baseline::Baseline;
use super::key::Key;
use super::network::Network;
use super::notice::Notice;
use super::{file, values};
use crate::config::What;
use crate::identity::Identity;
use crate::places::Places;

/// Which saved values are put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutBack {
    /// All.
    Everything,
    /// All but those that could make the kernel ask for another module while it waits for this one.
    WhatLoadsNothing,
    /// None; what was saved stays saved.
    Nothing,
}

/// A module that was just inserted.
pub struct Restoring<'a> {
    /// Its name.
    pub module: &'a ModuleName,
    /// The `persist` lines that name it.
    pub rules: &'a [&'a What],
    /// Which load it is.
    pub identity: &'a Identity,
    /// Which saved values are put back.
    pub put_back: PutBack,
    /// The parameters that were given for this load: on the command line, in modprobe.d or to the kernel.
    pub given: &'a [Vec<u8>],
}

/// Takes the baseline of a load and writes back what is saved. Does nothing without rules.
#[must_use]
pub fn restore_after_insertion(places: &Places, restoring: &Restoring<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if restoring.rules.is_empty() {
        return notices;
    }
    let network = Network::of_rules(places, restoring.rules);
    let values = values::read_all(places, &network, restoring.module, restoring.rules, &mut notices);
    let given = restoring.given.to_vec();
    let served = restoring.put_back == PutBack::Nothing || has_store(places);
    let mut baseline = Baseline { values, in_effect: Vec::new(), served, given };
    if restoring.put_back != PutBack::Nothing {
        put_back(places, &network, restoring, &|_, _| true, &mut baseline, &mut notices);
    }
    write(places, restoring, &baseline, &mut notices);
    notices
}

/// The same for a load that is over, once: whoever made it did not do that, or could not because `/var` was not there
/// yet.
///
/// Of a load without a baseline nobody knows which parameters were given for it: those that `given` names are known, and
/// others are put back only where a line names them, not where it just names the module. Of one with a baseline the
/// settings that were changed since are left alone.
#[must_use]
pub fn restore_later(places: &Places, restoring: &Restoring<'_>) -> Vec<Notice> {
    let &Restoring { module, rules, identity, .. } = restoring;
    let mut notices = Vec::new();
    let found = match Baseline::read(places, module, identity) {
        Ok(found) => found,
        Err(notice) => return vec![notice],
    };
    if rules.is_empty() || found.as_ref().is_some_and(|baseline| baseline.served) {
        return notices;
    }
    let network = Network::of_rules(places, rules);
    let named: Vec<&What> =
        rules.iter().copied().filter(|rule| !matches!(rule, What::AllParameters)).collect();
    let now = values::read_all(places, &network, module, rules, &mut notices);
    let (mut baseline, is_new) = match found {
        Some(baseline) => (baseline, false),
        None => (Baseline { values: now.clone(), ..Baseline::default() }, true),
    };
    for given in restoring.given {
        if !baseline.given.contains(given) {
            baseline.given.push(given.clone());
        }
    }
    baseline.served = true;
    let given = baseline.given.clone();
    let restoring = Restoring { given: &given, ..*restoring };
    let is_known = |baseline: &Baseline, key: &Key| match is_new {
        true => key.is_allowed(&named),
        false => {
            let now = now.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_slice());
            now.is_some() && now == baseline.value(key)
        }
    };
    let changed = put_back(places, &network, &restoring, &is_known, &mut baseline, &mut notices);
    // Who has set them meanwhile, as sysctl.d does, is to find out why they are something else now.
    notices.extend(changed.into_iter().map(Notice::PutBackLater));
    write(places, &restoring, &baseline, &mut notices);
    notices
}

/// Whether there is a directory in which settings could be saved.
fn has_store(places: &Places) -> bool {
    matches!(file::open(places), Ok(Some(_)))
}

fn write(places: &Places, restoring: &Restoring<'_>, baseline: &Baseline, notices: &mut Vec<Notice>) {
    // Without a place for it nothing will be saved later, which is reported then.
    if let Err(error) = baseline.write(places, restoring.module, restoring.identity)
        && !matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound)
    {
        notices.push(Notice::CannotWrite(places.baselines(), error));
    }
}

/// Writes back what is saved; the sysctls that had another value before.
fn put_back(
    places: &Places,
    network: &Network,
    restoring: &Restoring<'_>,
    may_set: &dyn Fn(&Baseline, &Key) -> bool,
    baseline: &mut Baseline,
    notices: &mut Vec<Notice>,
) -> Vec<Key> {
    let mut changed = Vec::new();
    let &Restoring { module, rules, given, .. } = restoring;
    let Some(document) = file::read(places, module, notices).map(|file| file.document) else {
        return changed;
    };
    let path = file::path(places, module);
    notices.extend(document.bad_lines().map(|line| Notice::BadLine(path.clone(), line)));
    let shown = || given.iter().map(|name| read(places, module, name)).collect::<Vec<_>>();
    let before = shown();
    let mut left = Vec::new();
    for (key, value) in document.settings().filter(|(key, _)| !is_given(given, key)) {
        if !key.is_allowed(rules) {
            notices.push(Notice::NotAllowed(path.clone(), key.clone()));
        } else if !may_set(baseline, key) {
            continue;
        } else if restoring.put_back == PutBack::WhatLoadsNothing && key.loads_modules() {
            notices.push(Notice::LoadsModules(key.clone()));
        } else if !(key.is_of_network() && network.is_unreachable()) {
            left.push((key, value));
        }
    }
    let refused = write_all(left, |&(key, value)| {
        values::write(places, network, module, key, value)?;
        if shown() == before {
            baseline.in_effect.push(key.clone());
            if matches!(key, Key::Sysctl(_)) && baseline.value(key) != Some(value) {
                changed.push(key.clone());
            }
        } else if let Some(at_load) = baseline.value(key) {
            // It is another view of a parameter that was given, as nf_conntrack_buckets is of hashsize. What fails
            // here cannot be put right.
            let _ = values::write(places, network, module, key, at_load);
        }
        Ok(())
    });
    for ((key, _), error) in refused {
        notices.push(Notice::Refused { path: path.clone(), key: key.clone(), error });
    }
    changed
}

/// Writes values; returns those that are refused. They may bound each other, as a minimum and a maximum do: what is
/// refused now may be accepted after another one. So they are tried again as long as one more is accepted.
fn write_all<T>(mut left: Vec<T>, mut write: impl FnMut(&T) -> io::Result<()>) -> Vec<(T, io::Error)> {
    loop {
        let tried = left.len();
        let mut refused = Vec::new();
        for value in left {
            if let Err(error) = write(&value) {
                refused.push((value, error));
            }
        }
        if refused.is_empty() || refused.len() == tried {
            return refused;
        }
        left = refused.into_iter().map(|(value, _)| value).collect();
    }
}

/// A parameter given with `-` in its name is the same one with `_`.
fn is_given(given: &[Vec<u8>], key: &Key) -> bool {
    let Key::Parameter(name) = key else { return false };
    let plain =
        |name: &[u8]| name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }).collect::<Vec<u8>>();
    given.iter().any(|given| plain(given) == plain(name))
}

/// The present value of a parameter, if it can be seen.
fn read(places: &Places, module: &ModuleName, parameter: &[u8]) -> Option<Vec<u8>> {
    let key = Key::parse(&[b"parameters/", parameter].concat())?;
    values::read(places, module, &key).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::tests::system;
    use super::*;

    const FILE: &str = "var/lib/modutils/settings/m";

    #[test]
    fn values_that_bound_each_other_are_written_in_whatever_order_they_stand() {
        // As net.sctp's rto_min <= rto_initial <= rto_max.
        let mut now = [1_000, 3_000, 60_000];
        let saved = vec![(1, 300), (2, 500), (0, 100), (0, 70_000)];
        let mut tries = 0;
        let refused = write_all(saved, |&(which, value)| {
            tries += 1;
            let mut next = now;
            next[which] = value;
            if !next.is_sorted() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            now = next;
            Ok(())
        });
        assert_eq!(now, [100, 300, 500]);
        assert_eq!(refused.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [(0, 70_000)]);
        assert!(tries <= 16, "{tries}");
    }

    #[test]
    fn a_parameter_given_for_this_load_is_not_overwritten() {
        let system = system(
            "persist m\n",
            &[
                ("sys/module/m/parameters/a", "7"),
                ("sys/module/m/parameters/b", "7"),
                (FILE, "parameters/a = 1\nparameters/b = 1\n"),
            ],
        );
        assert_eq!(system.inserted(1, PutBack::Everything, &["a"]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/a"), "7");
        assert_eq!(system.value("sys/module/m/parameters/b"), "1");
    }

    /// Serves a load that is over; the texts of the notices.
    fn later(system: &super::super::tests::System, given: &[&str]) -> Vec<String> {
        let given: Vec<Vec<u8>> = given.iter().map(|&name| name.into()).collect();
        let restoring = Restoring {
            module: system.module(),
            rules: &system.rules(),
            identity: &system.load(1),
            put_back: PutBack::Everything,
            given: &given,
        };
        restore_later(&system.places, &restoring).iter().map(Notice::to_string).collect()
    }

    #[test]
    fn of_a_load_that_somebody_else_made_only_what_a_line_names_is_put_back_and_once() {
        let system = system(
            "persist m parameters a c\npersist m\npersist m sysctl net/x\n",
            &[
                ("sys/module/m/parameters/a", "7"),
                ("sys/module/m/parameters/b", "7"),
                ("sys/module/m/parameters/c", "7"),
                (FILE, "parameters/a = 1\nparameters/b = 1\nparameters/c = 1\n"),
            ],
        );
        assert_eq!(later(&system, &["c"]), [""; 0]);
        let values = || ["a", "b", "c"].map(|name| system.value(&format!("sys/module/m/parameters/{name}")));
        // Which value somebody gave to b cannot be known; that of c can.
        assert_eq!(values(), ["1", "7", "7"]);
        system.write("sys/module/m/parameters/a", "5");
        assert_eq!(later(&system, &[]), [""; 0]);
        assert_eq!(values(), ["5", "7", "7"]);
    }

    #[test]
    fn a_sysctl_that_was_set_between_a_load_and_its_service_is_named() {
        let system = system(
            "persist m sysctl net/*\npersist m parameters a\n",
            &[
                ("sys/module/m/parameters/a", "7"),
                ("proc/sys/net/x", "7"),
                ("proc/sys/net/y", "1"),
                (FILE, "parameters/a = 1\nsysctl/net/x = 1\nsysctl/net/y = 1\n"),
            ],
        );
        assert_eq!(later(&system, &[]), ["sysctl/net/x is as it was saved, and was something else before"]);
        assert_eq!(system.value("proc/sys/net/x"), "1");
        assert_eq!(later(&system, &[]), [""; 0]);
    }

    #[test]
    fn a_load_before_there_was_a_store_is_served_later_but_for_what_was_changed_since() {
        let system = system(
            "persist m\n",
            &[
                ("sys/module/m/parameters/a", "7"),
                ("sys/module/m/parameters/b", "7"),
                ("sys/module/m/parameters/c", "7"),
            ],
        );
        assert_eq!(system.inserted(1, PutBack::Everything, &["c"]), [""; 0]);
        system.write("sys/module/m/parameters/b", "8");
        // Now /var is there.
        system.write(FILE, "parameters/a = 1\nparameters/b = 1\nparameters/c = 1\n");
        assert_eq!(later(&system, &[]), [""; 0]);
        let values = || ["a", "b", "c"].map(|name| system.value(&format!("sys/module/m/parameters/{name}")));
        assert_eq!(values(), ["1", "8", "7"]);
        system.write("sys/module/m/parameters/a", "7");
        assert_eq!(later(&system, &[]), [""; 0]);
        assert_eq!(values(), ["7", "8", "7"]);
    }

    #[test]
    fn a_load_that_was_served_or_was_to_be_left_alone_is_not_served_again() {
        for put_back in [PutBack::Everything, PutBack::Nothing] {
            let system =
                system("persist m\n", &[("sys/module/m/parameters/a", "7"), (FILE, "parameters/a = 7\n")]);
            assert_eq!(system.inserted(1, put_back, &[]), [""; 0]);
            system.write(FILE, "parameters/a = 1\n");
            assert_eq!(later(&system, &[]), [""; 0]);
            assert_eq!(system.value("sys/module/m/parameters/a"), "7", "{put_back:?}");
        }
    }

    #[test]
    fn a_given_parameter_that_cannot_be_read_is_not_even_touched() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/a_b", "7"), (FILE, "parameters/a_b = 1\nparameters/c = 1\n")],
        );
        let path = system.path("sys/module/m/parameters/a_b");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o200)).unwrap();
        assert_eq!(system.inserted(1, PutBack::Everything, &["a-b", "c"]), [""; 0]);
        let path = system.path("sys/module/m/parameters/a_b");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(system.value("sys/module/m/parameters/a_b"), "7");
    }

    #[test]
    fn what_no_line_allows_is_not_written() {
        let system = system(
            "persist m parameters a\n",
            &[
                ("sys/module/m/parameters/a", "7"),
                ("sys/module/m/parameters/b", "7"),
                ("proc/sys/kernel/x", "7"),
                (
                    FILE,
                    "parameters/b = 1\nsysctl/kernel/x = 1\nsysctl/../sys/m/parameters/a = 1\nparameters/a = 1\n",
                ),
            ],
        );
        let notices = system.inserted(1, PutBack::Everything, &[]);
        let file = system.path(FILE).display().to_string();
        assert_eq!(
            notices,
            [
                format!("{file} line 3: not understood, ignored"),
                format!("{file}: no persist line names parameters/b, ignored"),
                format!("{file}: no persist line names sysctl/kernel/x, ignored"),
            ]
        );
        assert_eq!(system.value("sys/module/m/parameters/b"), "7");
        assert_eq!(system.value("proc/sys/kernel/x"), "7");
        assert_eq!(system.value("sys/module/m/parameters/a"), "1");
    }

    #[test]
    fn a_value_that_is_refused_is_one_notice_and_the_others_are_written() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/b", "7"), (FILE, "parameters/a = 1\nparameters/b = 1\n")],
        );
        assert_eq!(
            system.inserted(1, PutBack::Everything, &[]),
            [format!("{}: the kernel refused parameters/a", system.path(FILE).display())]
        );
        assert_eq!(system.value("sys/module/m/parameters/b"), "1");
    }

    #[test]
    fn a_file_that_others_can_write_is_ignored() {
        for mode in [0o664, 0o646, 0o622] {
            let system =
                system("persist m\n", &[("sys/module/m/parameters/a", "7"), (FILE, "parameters/a = 1\n")]);
            std::fs::set_permissions(system.path(FILE), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 1, "{mode:o}");
            assert_eq!(system.value("sys/module/m/parameters/a"), "7");
        }
    }

    #[test]
    fn a_file_of_another_user_is_ignored() {
        let system = system("persist m\n", &[(FILE, "parameters/a = 1\n")]);
        let mut notices = Vec::new();
        let other = rustix::process::geteuid().as_raw() + 1;
        let places = Places { owner: other, ..system.places.clone() };
        assert_eq!(file::read(&places, system.module(), &mut notices), None);
        assert!(matches!(notices.as_slice(), [Notice::NotTrusted(_)]));
    }

    #[test]
    fn a_link_in_the_place_of_the_file_is_not_followed() {
        let system =
            system("persist m\n", &[("sys/module/m/parameters/a", "7"), ("else", "parameters/a = 1\n")]);
        std::fs::create_dir_all(system.path("var/lib/modutils/settings")).unwrap();
        symlink(system.path("else"), system.path(FILE)).unwrap();
        assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 1);
        assert_eq!(system.value("sys/module/m/parameters/a"), "7");
    }

    #[test]
    fn in_a_request_of_the_kernel_nothing_that_needs_another_module_is_written() {
        let path = "proc/sys/net/core/default_qdisc";
        let system = system(
            "persist m sysctl net/core/*\n",
            &[(path, "fifo"), (FILE, "sysctl/net/core/default_qdisc = fq\n")],
        );
        assert_eq!(system.inserted(1, PutBack::WhatLoadsNothing, &[]).len(), 1);
        assert_eq!(system.value(path), "fifo");
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.value(path), "fq");
    }

    #[test]
    fn a_baseline_that_cannot_be_written_does_not_keep_values_from_coming_back() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/a", "7"), (FILE, "parameters/a = 1\n"), ("run/modutils", "a file")],
        );
        assert_eq!(system.inserted(1, PutBack::Everything, &[]).len(), 1);
        assert_eq!(system.value("sys/module/m/parameters/a"), "1");
    }

    #[test]
    fn a_sysctl_that_is_another_view_of_a_given_parameter_is_left_alone() {
        let system = system(
            "persist m sysctl net/*\n",
            &[
                ("sys/module/m/parameters/hashsize", "7\n"),
                ("proc/sys/net/max", "7\n"),
                (FILE, "sysctl/net/buckets = 1\nsysctl/net/max = 1\n"),
            ],
        );
        // One file under two names, as the kernel has one variable.
        let (parameter, sysctl) =
            (system.path("sys/module/m/parameters/hashsize"), system.path("proc/sys/net/buckets"));
        std::fs::hard_link(parameter, sysctl).unwrap();
        assert_eq!(system.inserted(1, PutBack::Everything, &["hashsize"]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/hashsize"), "7");
        assert_eq!(system.value("proc/sys/net/max"), "1");
        assert_eq!(system.inserted(2, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/hashsize"), "1");
    }

    #[test]
    fn a_sentence_names_file_attempt_reason_and_what_to_do() {
        let system = system("persist m\n", &[(FILE, "parameters/a = 1\n")]);
        let mut notices = Vec::new();
        let restoring = Restoring {
            module: system.module(),
            rules: &system.rules(),
            identity: &system.load(1),
            put_back: PutBack::Everything,
            given: &[],
        };
        notices.extend(restore_after_insertion(&system.places, &restoring));
        let sentences: Vec<_> =
            notices.iter().map(|notice| notice.sentence(system.module(), |_| "the reason".into())).collect();
        let file = system.path(FILE).display().to_string();
        assert_eq!(
            sentences,
            [format!(
                "settings of m: {file}: the kernel refused parameters/a: the reason; correct the line, or remove it"
            )]
        );
    }
}
