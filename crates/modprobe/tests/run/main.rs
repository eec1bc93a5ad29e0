//! Whole runs on a kernel made of data: which effects there are, and in which order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use modcli::Exit;
use modkernel::Recording;
use modprobe::caller::Caller;
use modstate::{Memory, RecordedRole};

mod settings;
mod world;

use world::world;

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
    let steps: Vec<_> = output.iter().map(|line| line.trim()).filter(|line| line.ends_with(']')).collect();
    let expected = "pre-install one [dependency]";
    assert_eq!((steps.len(), steps.first()), (5, Some(&expected)), "{output:?}");
    assert!(world.asked().is_empty());
    assert_eq!(world.run(&["top"]).2, Exit::Success);
    assert_eq!(world.asked(), ["shell one", "insert low.ko", "shell two", "insert top.ko", "shell two"]);
}

#[test]
fn what_does_not_count_of_an_old_file_is_named_once_for_whoever_gives_v() {
    let world_with = || {
        let world = world("");
        world.write("etc/modutils.d/a.conf", "legacy-modules-conf yes\n");
        world.write("etc/modules.conf", "alias eth0 top\nkeep\n");
        world
    };
    let told =
        "modprobe: NOTICE: /etc/modules.conf lines 1, 2 do not count: modprobe.d(5) is the place for them";
    let (printed, said, exit) = world_with().run(&["-v", "top"]);
    assert_eq!((said, exit), (vec![told.to_owned()], Exit::Success), "{printed:?}");
    assert_eq!(world_with().run(&["top"]), (nothing(), nothing(), Exit::Success));
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
