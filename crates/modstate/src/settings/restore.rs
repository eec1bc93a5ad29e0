//! After an insertion: takes the baseline and puts saved values back.

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
    let mut baseline = Baseline { values, in_effect: Vec::new() };
    if restoring.put_back != PutBack::Nothing {
        put_back(places, &network, restoring, &mut baseline, &mut notices);
    }
    // Without a place for it nothing will be saved later, which is reported then.
    if let Err(error) = baseline.write(places, restoring.module, restoring.identity)
        && !matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound)
    {
        notices.push(Notice::CannotWrite(places.baselines(), error));
    }
    notices
}

fn put_back(
    places: &Places,
    network: &Network,
    restoring: &Restoring<'_>,
    baseline: &mut Baseline,
    notices: &mut Vec<Notice>,
) {
    let &Restoring { module, rules, given, .. } = restoring;
    let Some(document) = file::read(places, module, notices).map(|file| file.document) else { return };
    let path = file::path(places, module);
    notices.extend(document.bad_lines().map(|line| Notice::BadLine(path.clone(), line)));
    let shown = || given.iter().map(|name| read(places, module, name)).collect::<Vec<_>>();
    let before = shown();
    let mut left = Vec::new();
    for (key, value) in document.settings().filter(|(key, _)| !is_given(given, key)) {
        if !key.is_allowed(rules) {
            notices.push(Notice::NotAllowed(path.clone(), key.clone()));
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
