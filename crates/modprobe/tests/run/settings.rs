//! Whole runs that save, show and put back settings of modules.

use std::fs;

use modcli::Exit;
use modkernel::Recording;
use rustix::io::Errno;

use crate::world::{World, world};

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
fn who_asks_for_it_is_told_which_sysctls_had_another_value_before_they_were_put_back() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "persist low parameters a\npersist low sysctl kernel/low\n");
    world.write("var/lib/modutils/settings/low", "parameters/a = 7\nsysctl/kernel/low = 1\n");
    world.kernel = Recording::default().with_loaded("low", &[]);
    let told = "modprobe: NOTICE: settings of low: sysctl/kernel/low is as it was saved, and was something else before";
    for (words, told) in [(&["-v"][..], vec![told.to_owned()]), (&[], vec![])] {
        world.write("proc/sys/kernel/low", "0\n");
        let words: Vec<&str> = words.iter().chain(&["--restore-settings", "low"]).copied().collect();
        assert_eq!(world.run(&words), (vec![], told, Exit::Success));
        assert_eq!(fs::read_to_string(world.path("proc/sys/kernel/low")).unwrap().trim_end(), "1");
        // Of another load.
        fs::remove_dir_all(world.path("run/modutils")).unwrap();
    }
}

#[test]
fn of_all_modules_one_that_goes_meanwhile_is_no_failure() {
    let mut world = world("");
    world.write("etc/modutils.d/a.conf", "persist low parameters a\npersist gone parameters a\n");
    world.write("var/lib/modutils/settings/low", "parameters/a = 7\n");
    // It was there when modules were listed.
    std::os::unix::fs::symlink("nowhere", world.path("sys/module/gone")).unwrap();
    world.kernel = Recording::default().with_loaded("gone", &[]).with_loaded("low", &[]);
    assert_eq!(world.run(&["--restore-settings"]), (vec![], vec![], Exit::Success));
    assert_eq!(fs::read_to_string(world.path("sys/module/low/parameters/a")).unwrap().trim_end(), "7");
    let absent = "modprobe: ERROR: Module gone is not in kernel.";
    assert_eq!(world.run(&["--restore-settings", "gone"]), (vec![], vec![absent.to_owned()], Exit::Failure));
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
