//! Whole passes over a [`World`].

mod switched_off;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use modload::Persist;
use rustix::io::Errno;

use super::*;
use crate::request::Request;
use world::{At, request};
pub(crate) use world::{Fake, Voice, World, world};

/// Every file of a world with its contents.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn an_idle_module_goes_at_a_pass_an_interval_after_the_one_that_found_it() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-m"]);
    assert_eq!(world.pass(100), ["m fs-m idle, found in this pass"]);
    assert_eq!(world.pass(101), ["m fs-m idle for 1 s, may go in 59 s"]);
    assert_eq!(world.pass(159), ["m fs-m idle for 59 s, may go in 1 s"]);
    assert_eq!(world.pass(160), ["m fs-m unloaded"]);
    assert!(!world.is_recorded("m") && world.memory().marks().is_empty());
    assert_eq!(world.pass(161), [""; 0]);
}

#[test]
fn the_interval_is_configured() {
    let world = world(&[("etc/modutils.d/a.conf", "interval 10\n")]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    assert_eq!(world.pass(109), ["m fs-m idle for 9 s, may go in 1 s"]);
    assert_eq!(world.pass(110), ["m fs-m unloaded"]);
}

#[test]
fn a_module_that_somebody_asked_for_just_now_stays_whatever_the_interval() {
    let world = world(&[("etc/modutils.d/a.conf", "interval 0\n")]);
    world.load("m", "fs-m", &[]);
    assert_eq!(world.pass(9), ["m fs-m kept: asked for 9 s ago"]);
    assert_eq!(world.pass(100), ["m fs-m idle, found in this pass"]);
    world.memory().ask_for(&["m".into()], &At(100_500));
    assert_eq!(world.pass(101), ["m fs-m kept: asked for 0 s ago"]);
    assert_eq!(world.pass(110), ["m fs-m kept: asked for 9 s ago"]);
    assert_eq!(world.pass(111), ["m fs-m idle, found in this pass"]);
    assert_eq!(world.pass(112), ["m fs-m unloaded"]);
}

#[test]
fn a_use_between_two_passes_starts_it_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.use_count("m", 2);
    assert_eq!(world.pass(200), ["m fs-m in use: use count 2"]);
    world.use_count("m", 0);
    assert_eq!(world.pass(300), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_sign_of_use_other_than_the_count_starts_it_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.write("proc/mounts", "/dev/a /mnt m rw 0 0\n");
    assert_eq!(world.pass(200), ["m fs-m in use: /mnt (m)"]);
    world.write("proc/mounts", "");
    assert_eq!(world.pass(300), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_module_that_went_and_came_again_is_another_one() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    // The old directory stays elsewhere, so that its number is not given out again.
    fs::rename(world.path("sys/module/m"), world.path("old")).unwrap();
    world.appear("m");
    assert_eq!(world.pass(200), [""; 0]);
    assert!(!world.is_recorded("m"));
}

#[test]
fn a_new_record_of_a_new_load_starts_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    fs::rename(world.path("sys/module/m"), world.path("old")).unwrap();
    world.load("m", "fs-m", &[]);
    assert_eq!(world.pass(200), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_pin_beats_a_mark() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.memory().write_pin(&"m".into(), &world.identity("m")).unwrap();
    assert_eq!(world.pass(200), ["m fs-m kept: loaded on purpose"]);
}

#[test]
fn an_alias_in_the_modules_own_file_keeps_it_and_the_file_is_read_once() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-m", "pci:v1*"]);
    let kept = ["m fs-m kept: use counts of pci:v1* prove nothing"];
    assert_eq!(world.pass(100), kept);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(200), kept);
    world.write("etc/modutils.d/a.conf", "autoclean pci:*\n");
    assert_eq!(world.pass(300), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn a_request_of_another_kind_keeps_a_module_whatever_its_file_says() {
    let world = world(&[]);
    world.load("m", "rtnl-link-m", &["fs-m"]);
    world.pass(100);
    assert_eq!(world.pass(200), ["m rtnl-link-m kept: use counts of rtnl-link-m prove nothing"]);
}

#[test]
fn a_module_whose_file_is_gone_stays() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    world.pass(100);
    assert_eq!(world.pass(200), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn while_a_module_waits_its_file_is_not_read_and_before_it_goes_it_is() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-other"]);
    world.pass(100);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(150), ["m fs-m idle for 50 s, may go in 10 s"]);
    world.write("proc/mounts", "/dev/a /mnt other rw 0 0\n");
    assert_eq!(world.pass(155), ["m fs-m in use: /mnt (other)"]);
    world.write("proc/mounts", "");
    world.load("m", "fs-m", &["fs-other"]);
    world.pass(200);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(300), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn what_becomes_idle_by_a_removal_is_marked_and_goes_later() {
    let world = world(&[]);
    world.load("below", "fs-top", &[]);
    world.load("top", "fs-top", &[]);
    world.holds("top", "below");
    assert_eq!(world.pass(100), ["below fs-top used by top", "top fs-top idle, found in this pass"]);
    assert_eq!(world.pass(200), ["below fs-top idle, found in this pass", "top fs-top unloaded"]);
    assert_eq!(world.pass(259), ["below fs-top idle for 59 s, may go in 1 s"]);
    assert_eq!(world.pass(260), ["below fs-top unloaded"]);
}

#[test]
fn a_user_who_comes_before_the_removal_is_seen() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = Fake { late_user: Some("m"), ..world.kernel() };
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!((lines, exit), (vec!["m fs-m in use: use count 1".to_owned()], Exit::Success));
    assert_eq!(world.pass(201), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_user_who_comes_at_the_last_instant_wins_without_an_error() {
    for errno in [Errno::AGAIN, Errno::BUSY] {
        let world = world(&[]);
        world.load("m", "fs-m", &[]);
        world.pass(100);
        let mut kernel = Fake { refusal: Some(errno), ..world.kernel() };
        let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
        assert_eq!(lines, ["m fs-m in use: somebody came at the last moment"]);
        assert_eq!(exit, Exit::Success);
        assert!(world.is_recorded("m"));
        assert_eq!(world.pass(201), ["m fs-m idle, found in this pass"]);
    }
}

#[test]
fn a_pass_that_is_killed_in_a_removal_leaves_records_and_signs_of_use_that_hold() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.load("used", "fs-used", &[]);
    world.pass(100);
    world.use_count("used", 1);
    let mut kernel = Fake { dies: true, ..world.kernel() };
    let pass = std::panic::AssertUnwindSafe(|| world.pass_with(200, &request(), &mut kernel));
    assert!(std::panic::catch_unwind(pass).is_err());
    world.use_count("used", 0);
    assert_eq!(world.pass(300), ["m fs-m unloaded", "used fs-used idle, found in this pass"]);
}

#[test]
fn a_removal_that_is_not_allowed_fails_the_pass() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = Fake { refusal: Some(Errno::PERM), ..world.kernel() };
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!((lines, exit), (vec!["m fs-m could not be unloaded".to_owned()], Exit::Failure));
}

#[test]
fn a_remove_command_runs_instead_of_the_removal() {
    let world = world(&[("etc/modprobe.d/a.conf", "remove m /bin/clean $CMDLINE_OPTS x\n")]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = world.kernel();
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!(
        kernel.shell,
        ["/bin/clean  x [(\"MODPROBE_MODULE\", \"m\"), (\"MODUTILS_INSTALLING\", \"m\"), \
         (\"MODUTILS_CALLER\", \"0\")]"]
    );
    // The command left it where it was.
    assert_eq!(lines, ["m fs-m in use: somebody came at the last moment"]);
    assert_eq!(exit, Exit::Success);
    world.pass(300);
    let mut kernel = Fake { shell_status: 3 << 8, ..world.kernel() };
    assert_eq!(world.pass_with(400, &request(), &mut kernel).1, Exit::Failure);
    assert!(world.path("sys/module/m").exists());
    world.pass(500);
    // A command that was killed counts as one that succeeded, as with modprobe -r.
    let mut kernel = Fake { shell_status: 9, ..world.kernel() };
    assert_eq!(world.pass_with(600, &request(), &mut kernel).1, Exit::Success);
}

#[test]
fn names_restrict_the_pass_and_other_marks_stay() {
    let world = world(&[]);
    world.load("a", "fs-a", &[]);
    world.load("b", "fs-b", &[]);
    world.pass(100);
    let only = Autoclean { names: vec!["a".into()], ..request() };
    assert_eq!(world.pass_with(200, &only, &mut world.kernel()).0, ["a fs-a unloaded"]);
    assert_eq!(world.pass(201), ["b fs-b unloaded"]);
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.write("run/modutils/autoloaded/dead", "damaged");
    let before = snapshot(world.root.path());
    let dry = Autoclean { effect: Effect::Rehearsed, ..request() };
    assert_eq!(world.pass_with(200, &dry, &mut world.kernel()).0, ["m fs-m idle for 100 s, goes now"]);
    assert_eq!(snapshot(world.root.path()), before);
}

#[test]
fn settings_are_saved_before_a_module_goes() {
    let world = world(&[("etc/modutils.d/a.conf", "persist m\n")]);
    world.load("m", "fs-m", &[]);
    world.write("sys/module/m/parameters/a", "1\n");
    world.take_baseline("m");
    world.write("sys/module/m/parameters/a", "2\n");
    world.pass(100);
    let leave = Autoclean { persist: Persist::NotThisTime, names: vec!["other".into()], ..request() };
    world.pass_with(150, &leave, &mut world.kernel());
    assert_eq!(world.pass(200), ["m fs-m unloaded"]);
    let saved = fs::read_to_string(world.path("var/lib/modutils/settings/m")).unwrap();
    assert_eq!(saved.lines().skip(1).collect::<Vec<_>>(), ["parameters/a = 2"]);
}

#[test]
fn with_nothing_recorded_the_run_is_silent_and_leaves_no_trace() {
    let world = world(&[]);
    let voice = Voice::default();
    let before = snapshot(world.root.path());
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Success);
    assert_eq!(voice.said(), "");
    assert_eq!(snapshot(world.root.path()), before);
}

#[test]
fn a_second_pass_at_the_same_time_leaves_at_once() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    let voice = Voice::default();
    let lock = world.memory().lock().unwrap();
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Success);
    assert!(world.memory().marks().is_empty());
    drop(lock);
    world.run(&voice.session(), &Request::Autoclean(request()), world.kernel());
    assert!(!world.memory().marks().is_empty());
}

#[test]
fn without_the_list_of_modules_nothing_is_touched() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    fs::remove_file(world.path("proc/modules")).unwrap();
    let voice = Voice::default();
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Failure);
    assert!(world.is_recorded("m"));
}
