//! Whole runs on a kernel made of data: which effects there are, and in which order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use fixtures::Shown;
use modcli::sink::Sink;
use modcli::{Exit, Output, Reporter, Session};
use modkernel::{KernelEvent, Recording};
use modload::Environment;
use modprobe::System;
use modprobe::caller::Caller;
use modstate::{Memory, Places, RecordedRole, SystemClock};
use rustix::io::Errno;

/// A system in a directory, and what a run on it did.
struct World {
    root: tempfile::TempDir,
    kernel: Recording,
    caller: Caller,
    environment: Environment,
}

/// What a run said on standard output and standard error, and its status.
type Said = (Vec<String>, Vec<String>, Exit);

/// `top` needs `low`; they are installed for the release 6.1, with these lines in modprobe.d.
fn world(config: &str) -> World {
    let root = tempfile::tempdir().unwrap();
    let world = World {
        root,
        kernel: Recording::default().with_needs("top", &["low"]),
        caller: Caller::Anyone,
        environment: Environment { has_path: true, ..Environment::default() },
    };
    for (path, text) in [
        ("lib/modules/6.1/modules.dep", "top.ko: low.ko\nlow.ko:\n"),
        ("lib/modules/6.1/modules.alias", "alias fs-top top\n"),
        ("lib/modules/6.1/modules.symbols", ""),
        ("lib/modules/6.1/top.ko", ""),
        ("lib/modules/6.1/low.ko", ""),
        ("etc/modprobe.d/a.conf", config),
        ("proc/cmdline", ""),
        ("proc/sys/kernel/random/boot_id", "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n"),
        ("sys/module/top/parameters/a", "1\n"),
        ("sys/module/low/parameters/a", "1\n"),
        ("run/lock", ""),
        ("var/lib/lock", ""),
    ] {
        world.write(path, text);
    }
    world
}

impl World {
    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn places(&self) -> Places {
        Places::below(self.root.path(), rustix::process::geteuid().as_raw())
    }

    /// Runs modprobe on this system with these arguments; `-d` and `-C` are its own.
    fn run(&mut self, arguments: &[&str]) -> Said {
        let (stdout, stderr) = (Shown::default(), Shown::default());
        let root = self.root.path().to_owned();
        let mut argv: Vec<OsString> =
            ["modprobe", "-d", root.to_str().unwrap(), "-C", self.path("etc/modprobe.d").to_str().unwrap()]
                .map(OsString::from)
                .to_vec();
        argv.extend(arguments.iter().map(OsString::from));
        let sink = Sink::new("modprobe", modcli::sink::LogPlaces::default(), Some(Box::new(stderr.clone())));
        let session = Session {
            program: "modprobe",
            argv,
            closed: modcli::startup::closed_descriptors(),
            reporter: Reporter::new(sink),
            output: Output::to(Box::new(stdout.clone())),
        };
        let places = self.places();
        let system = System {
            kernel: &mut self.kernel,
            places: &places,
            clock: &SystemClock,
            caller: self.caller,
            environment: self.environment.clone(),
            release: "6.1".into(),
            current_dir: &|| root.clone(),
        };
        let result = modprobe::run_in(&session, system);
        let exit = session.finish(result);
        // The indexes are missing here, which is reported and changes nothing.
        let lines = |shown: Shown| {
            let lines = shown.lines().into_iter().filter(|line| !line.contains("run depmod"));
            lines.map(|line| line.replace(root.to_str().unwrap(), "")).collect()
        };
        (lines(stdout), lines(stderr), exit)
    }

    /// What the kernel was asked for, in order, without directories.
    fn asked(&self) -> Vec<String> {
        let asked = self.kernel.events().iter().map(|event| match event {
            KernelEvent::Insert { path, params, .. } => {
                let name = path.file_name().unwrap().display();
                format!("insert {name} {}", params.to_str().unwrap()).trim_end().to_owned()
            }
            KernelEvent::Remove { module, .. } => format!("remove {module}"),
            KernelEvent::Shell { line, .. } => format!("shell {}", line.display()),
        });
        asked.collect()
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_module_comes_in_after_what_it_needs_and_both_are_pinned() {
    let mut world = world("options low a=2\n");
    assert_eq!(world.run(&["top", "a=5"]), (nothing(), nothing(), Exit::Success));
    assert_eq!(world.asked(), ["insert low.ko a=2", "insert top.ko a=5"]);
    let pins = Memory::new(&world.places()).pins().unwrap();
    assert_eq!(pins.iter().map(|(name, _)| name.to_text()).collect::<Vec<_>>(), ["low", "top"]);
}

#[test]
fn what_the_kernel_asks_for_is_recorded_with_its_request() {
    let mut world = world("");
    world.caller = Caller::Kernel;
    assert_eq!(world.run(&["-q", "--", "fs-top"]), (nothing(), nothing(), Exit::Success));
    let records = Memory::new(&world.places()).records().unwrap();
    let records: Vec<_> =
        records.iter().map(|(name, record)| (name.to_text(), record.as_ref().unwrap())).collect();
    let [(low, dependency), (top, target)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((low.as_ref(), dependency.role), ("low", RecordedRole::Dependency));
    assert_eq!((top.as_ref(), target.role), ("top", RecordedRole::Target));
    assert_eq!(target.request, b"fs-top");
}

#[test]
fn a_forbidden_module_comes_in_by_no_way_and_nothing_else_does_for_its_sake() {
    let by_need = "modprobe: ERROR: could not insert 'top': it needs low, which /etc/modutils.d/a.conf line 1 forbids: \
                   no lows";
    let itself = "modprobe: ERROR: could not insert 'low': /etc/modutils.d/a.conf line 1 forbids it: no lows";
    let path = "/lib/modules/6.1/low.ko";
    for (operand, expected) in [("top", by_need), ("fs-top", by_need), ("low", itself), (path, itself)] {
        for option in ["--", "-q", "-i", "-b", "-D", "-f"] {
            let mut world = world("");
            world.write("etc/modutils.d/a.conf", "forbid low : no lows\n");
            let file = world.path(path.trim_start_matches('/'));
            let operand = if operand == path { file.to_str().unwrap() } else { operand };
            let said = world.run(&[option, operand]);
            assert_eq!(said, (nothing(), vec![expected.to_owned()], Exit::Failure), "{option} {operand}");
            assert_eq!(world.asked(), [""; 0]);
        }
    }
    // What is there already is not loaded.
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "forbid low\n");
    world.kernel = Recording::default().with_loaded("low", &[]);
    assert_eq!(world.run(&["top"]), (nothing(), nothing(), Exit::Success));
}

#[test]
fn the_kernel_may_not_ask_for_what_is_denied_and_people_may() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "deny-request fs-* net-pf-*\nallow-request fs-ext*\n");
    assert_eq!(world.run(&["fs-top"]), (nothing(), nothing(), Exit::Success));
    world.caller = Caller::Kernel;
    let denied = "modprobe: ERROR: request for 'fs-top' denied by /etc/modutils.d/a.conf line 1";
    let kernel = Recording::default();
    world.kernel = kernel;
    assert_eq!(world.run(&["-q", "--", "fs-top"]), (nothing(), vec![denied.into()], Exit::Failure));
    // Whoever asks again and again does not fill the log.
    let said: usize = (0..20).map(|_| world.run(&["-q", "--", "net-pf-38"]).1.len()).sum();
    assert!(said < 20, "{said}");
    assert_eq!(world.asked(), [""; 0]);
}

#[test]
fn a_damaged_line_that_was_to_close_something_is_reported_to_people_always_and_to_the_kernel_once() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "forbid low because\n");
    let problem = vec![
        "modprobe: ERROR: /etc/modutils.d/a.conf line 1: a reason for 'forbid' stands behind ' : '"
            .to_owned(),
    ];
    assert_eq!(world.run(&["-q", "low"]), (nothing(), problem.clone(), Exit::Success));
    world.caller = Caller::Kernel;
    assert_eq!(world.run(&["-q", "--", "fs-top"]), (nothing(), problem, Exit::Success));
    assert_eq!(world.run(&["-q", "--", "fs-top"]), (nothing(), nothing(), Exit::Success));
}

#[test]
fn for_the_kernel_a_path_is_not_a_name() {
    let mut world = world("");
    world.caller = Caller::Kernel;
    let path = world.path("lib/modules/6.1/low.ko");
    assert_eq!(world.run(&["-q", "--", path.to_str().unwrap()]).2, Exit::Failure);
    assert_eq!(world.asked(), [""; 0]);
}

#[test]
fn saved_settings_are_put_back_when_nothing_more_will_come_in() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "persist low\n");
    world.write("var/lib/modutils/settings/low", "parameters/a = 7\n");
    world.kernel = std::mem::take(&mut world.kernel)
        .refusing(world.path("lib/modules/6.1/top.ko").to_str().unwrap(), Errno::INVAL);
    let (_, stderr, exit) = world.run(&["top"]);
    assert_eq!(stderr, ["modprobe: ERROR: could not insert 'top': Invalid argument"]);
    assert_eq!(exit, Exit::Failure);
    // The dependency is there anyway.
    assert_eq!(fs::read_to_string(world.path("sys/module/low/parameters/a")).unwrap().trim_end(), "7");
}

#[test]
fn a_rehearsal_shows_what_would_be_done_and_leaves_no_trace() {
    for option in ["-nv", "-D"] {
        let mut world = world("install low run it\n");
        let (stdout, stderr, exit) = world.run(&[option, "top", "a=1"]);
        assert_eq!(stdout, ["install run it ", "insmod /lib/modules/6.1/top.ko a=1"]);
        assert_eq!((stderr, exit, world.asked()), (nothing(), Exit::Success, nothing()));
        assert!(!world.path("run/modutils").exists());
    }
}

#[test]
fn a_module_that_is_gone_in_a_rehearsal_holds_nothing() {
    let mut world = world("");
    world.kernel = Recording::default().with_loaded("low", &[]).with_loaded("top", &["low"]);
    let (stdout, stderr, exit) = world.run(&["-r", "-n", "-v", "top", "low"]);
    assert_eq!(
        (stdout, stderr, exit),
        (vec!["rmmod top".into(), "rmmod low".into()], nothing(), Exit::Success)
    );
    assert_eq!(world.asked(), [""; 0]);
}

#[test]
fn a_fatal_failure_ends_the_run_and_with_all_the_next_one_is_tried() {
    let mut world = world("");
    world.kernel = Recording::default().with_loaded("low", &[]).with_users("low", 1).with_loaded("top", &[]);
    let (_, stderr, exit) = world.run(&["-r", "low", "top"]);
    assert_eq!((stderr, exit), (vec!["modprobe: FATAL: Module low is in use.".into()], Exit::Failure));
    assert_eq!(world.asked(), [""; 0]);
    let (_, stderr, exit) = world.run(&["-r", "-a", "low", "top"]);
    assert_eq!((stderr, exit), (vec!["modprobe: WARNING: Module low is in use.".into()], Exit::Failure));
    assert_eq!(world.asked(), ["remove top"]);
}

#[test]
fn a_remove_command_that_is_killed_counts_as_one_that_succeeded() {
    let mut world = world("remove top away\n");
    world.kernel = Recording::default().with_loaded("top", &[]).with_killed("away", 9);
    assert_eq!(world.run(&["-r", "top"]), (nothing(), nothing(), Exit::Success));
    assert_eq!(world.asked(), ["shell away"]);
}

#[test]
fn commands_of_modutils_stand_around_a_load_and_are_shown() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "pre-install low one\npost-install * two\n");
    let shown = |output: &[String]| -> Vec<String> {
        output.iter().map(|line| line.trim_end().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let (output, errors, exit) = world.run(&["-n", "-v", "top"]);
    assert_eq!(
        shown(&output),
        ["pre-install one", "low.ko", "post-install two", "top.ko", "post-install two"]
    );
    assert_eq!((errors, exit), (vec![], Exit::Success));
    let (output, _, _) = world.run(&["-D", "top"]);
    assert_eq!(shown(&output), ["low.ko", "top.ko"]);
    let (output, _, _) = world.run(&["--explain", "top"]);
    let steps: Vec<_> =
        output.iter().map(|line| line.trim()).filter(|line| line.contains("install")).collect();
    assert_eq!(steps.len(), 3, "{output:?}");
    assert!(world.asked().is_empty());
    assert_eq!(world.run(&["top"]).2, Exit::Success);
    assert_eq!(world.asked(), ["shell one", "insert low.ko", "shell two", "insert top.ko", "shell two"]);
}

#[test]
fn with_i_no_command_of_modutils_is_run() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "pre-install * false\n");
    assert_eq!(world.run(&["-i", "top"]), (vec![], vec![], Exit::Success));
    assert_eq!(world.asked(), ["insert low.ko", "insert top.ko"]);
}

#[test]
fn a_command_of_modutils_that_fails_is_named_with_its_line() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "pre-install low false\npre-remove top no\npost-remove low gone\n");
    world.kernel = world.kernel.clone().with_exit_code("false", 1).with_exit_code("no", 4);
    let (_, errors, exit) = world.run(&["top"]);
    assert_eq!(
        errors,
        [
            "modprobe: ERROR: /etc/modutils.d/a.conf line 1: pre-install command 'false' for low failed: \
             it ended with status 1",
            "modprobe: ERROR: could not insert 'top': the commands for low in modutils.d failed"
        ]
    );
    assert_eq!(exit, Exit::Failure);
    world.kernel = Recording::default().with_loaded("top", &[]).with_exit_code("no", 4);
    let (_, errors, exit) = world.run(&["-r", "top"]);
    assert_eq!(
        errors,
        [
            "modprobe: ERROR: /etc/modutils.d/a.conf line 2: pre-remove command 'no' for top failed: it ended with status 4"
        ]
    );
    assert_eq!((world.asked(), exit), (vec!["shell no".to_owned()], Exit::Failure));
}

#[test]
fn a_request_of_the_kernel_that_no_module_answers_may_have_a_command() {
    let mut world = world("");
    let lines =
        "on-request net-pf-28 helper\non-request fs-top no\non-request * all\ndeny-request net-pf-9\n";
    world.write("etc/modutils.d/a.conf", lines);
    // A person's request has none.
    assert_eq!(world.run(&["net-pf-28"]).2, Exit::Failure);
    world.caller = Caller::Kernel;
    for (name, asked, expected) in [
        ("net-pf-28", &["shell helper"][..], Exit::Success),
        ("fs-top", &["insert low.ko", "insert top.ko"], Exit::Success),
        ("../x", &[], Exit::Failure),
        ("-r", &[], Exit::Failure),
        ("a=b", &[], Exit::Failure),
        ("a[", &[], Exit::Failure),
        ("net-pf-9", &[], Exit::Failure),
        ("anything", &["shell all"], Exit::Success),
    ] {
        world.kernel = Recording::default().with_needs("top", &["low"]);
        assert_eq!(world.run(&["-q", "--", name]).2, expected, "{name}");
        assert_eq!(world.asked(), asked, "{name}");
    }
    world.kernel = Recording::default().with_exit_code("helper", 1);
    assert_eq!(world.run(&["-q", "--", "net-pf-28"]).2, Exit::Failure);
}

#[test]
fn settings_of_a_module_that_somebody_else_loaded_are_put_back_once() {
    let mut world = world("options low b=1\n");
    world.write("etc/modutils.d/a.conf", "persist low parameters *\n");
    world.write("sys/module/low/parameters/b", "1\n");
    world.write("var/lib/modutils/settings/low", "parameters/a = 7\nparameters/b = 7\n");
    world.kernel = Recording::default().with_loaded("low", &[]);
    let value = |world: &World, name: &str| {
        fs::read_to_string(world.path(&format!("sys/module/low/parameters/{name}")))
            .unwrap()
            .trim()
            .to_owned()
    };
    for set in ["1", "5"] {
        world.write("sys/module/low/parameters/a", set);
        assert_eq!(world.run(&["--restore-settings", "low", "top"]), (vec![], vec![], Exit::Success));
        // What modprobe.d gives stays.
        assert_eq!(value(&world, "b"), "1");
    }
    assert_eq!(value(&world, "a"), "5");
    let (output, _, _) = world.run(&["--show-settings", "low"]);
    assert_eq!(output.last().unwrap().split_whitespace().last(), Some("yes"), "{output:?}");
    assert!(output.last().unwrap().contains("by another program"), "{output:?}");
    assert!(!world.path("run/modutils/persists").exists());
    assert_eq!(world.run(&["--restore-settings"]).2, Exit::Success);
    assert!(world.path("run/modutils/persists").exists());
    world.write("etc/modutils.d/a.conf", "");
    assert_eq!(world.run(&["--restore-settings", "--no-persist"]).2, Exit::Success);
    assert!(!world.path("run/modutils/persists").exists());
}

#[test]
fn of_settings_that_cannot_be_read_nobody_says_that_there_are_none() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "persist low parameters *\n");
    let none = "modprobe: ERROR: Module low is not in kernel, and no settings of it are saved.".to_owned();
    assert_eq!(world.run(&["--show-settings", "low"]).1, [none]);
    // A directory cannot be read as settings, whoever asks.
    let saved = world.path("var/lib/modutils/settings/low");
    fs::create_dir_all(&saved).unwrap();
    let unread = "modprobe: WARNING: settings of low: /var/lib/modutils/settings/low: ignored, as it is a link or no \
                  file; put a file there, or nothing";
    assert_eq!(world.run(&["--show-settings", "low"]).1, [unread]);
}

#[test]
fn where_there_is_no_run_settings_make_none() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "persist low parameters *\n");
    world.write("sys/module/low/parameters/a", "7\n");
    fs::remove_dir_all(world.path("run")).unwrap();
    assert_eq!(world.run(&["low"]).2, Exit::Success);
    world.kernel = Recording::default().with_loaded("low", &[]);
    assert_eq!(world.run(&["-r", "low"]).2, Exit::Success);
    assert!(!world.path("run").exists());
}
