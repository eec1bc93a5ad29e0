use std::fs;
use std::path::Path;

use moddb::config::Config;
use moddb::paths::ModuleDir;
use modkernel::Recording;

use super::*;

/// A step as `-D` prints it, near enough.
fn printed(step: &Step) -> Option<Vec<u8>> {
    let params = text(&step.params);
    Some(match &step.action {
        Action::File(path) => format!("insmod {} {params}", path.display()).into(),
        Action::Command { line, .. } => format!("install {} {params}", text(line)).into(),
        Action::Builtin => format!("builtin {}", step.module).into(),
        Action::NoFile => return None,
    })
}

/// Explains a name to a system with modules `a`, which needs `b`, and `c`, built in.
fn told(config_text: &str, command_line: &str, name: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for file in ["a.ko", "b.ko"] {
        fs::write(path(file), "").unwrap();
    }
    fs::write(path("modules.dep"), "a.ko: b.ko\nb.ko:\n").unwrap();
    fs::write(path("modules.builtin"), "kernel/c.ko\n").unwrap();
    fs::create_dir_all(path("sys/module/a/parameters")).unwrap();
    fs::write(path("sys/module/a/parameters/y"), "8\n").unwrap();
    fs::create_dir_all(path("sys/bus/pci/devices/0000:00:01.0")).unwrap();
    fs::write(path("sys/bus/pci/devices/0000:00:01.0/modalias"), "pci:v1\n").unwrap();
    let mut config = Config::default();
    config.parse(Path::new("x.conf"), config_text.as_bytes());
    config.parse_kernel_command_line(command_line.as_bytes());
    let db = ModuleDb::new(ModuleDir::at(directory.path().into()), config);
    let kernel = Recording::default().with_loaded("a", &[]);
    let places = Places { sys: path("sys"), ..Places::of_system() };
    let around = Around {
        db: &db,
        kernel: &kernel,
        sysfs: &Sysfs::new(places.sys_module()),
        places: &places,
        command_line: command_line.as_bytes(),
        modutils: &ModutilsConfig::default(),
        shown: printed,
    };
    let explained = explain(&around, name.as_bytes(), &db.resolve(name.as_bytes()));
    let shown = |text: String| text.replace(&directory.path().display().to_string(), "");
    (shown(as_text(&explained)), shown(as_json(&explained)))
}

fn assert_contains(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn lookup_plan_lines_and_obstacles_are_told() {
    let config = "alias al-* a\nblacklist a\noptions b x=1\ninstall b \"run\"\n";
    let (shown, json) = told(config, "module_blacklist=c,a", "al-1");
    assert_contains(
        &shown,
        &[
            "module:   a\n",
            "found as: alias line of the configuration (al_*)\n",
            "state:    loaded\n",
            "    install \"run\" x=1 [dependency for b]\n",
            "[wanted]\n",
            "    x.conf line 1: alias al_* a\n",
            "    x.conf line 2: blacklist a\n",
            "    x.conf line 3: options b x=1\n",
            "    x.conf line 2 blacklists a, and it was found through an alias\n",
            "    x.conf line 4 replaces the load of b by: \"run\"\n",
            "    module_blacklist= on the kernel command line forbids a\n",
        ],
    );
    assert!(json.starts_with("[{\"module\":\"a\","), "{json}");
    assert!(json.contains("\"install \\\"run\\\" x=1\",\"module\":\"b\",\"role\":\"dependency\""), "{json}");
}

#[test]
fn what_is_built_in_is_in_nobodys_way() {
    let (shown, json) = told("install c /bin/false\noptions c x=1\n", "", "c");
    assert_contains(
        &shown,
        &[
            "state:    built in\nplan:\n    builtin c [wanted]\n",
            "x.conf line 1: install c /bin/false (no effect: it is built in)\n",
            "options c x=1 (no effect: it is built in: its parameters are set on the kernel command line)",
        ],
    );
    assert!(!shown.contains("in the way"), "{shown}");
    assert!(json.contains("\"effective\":false"), "{json}");
}

#[test]
fn lines_without_effect_are_shown_with_the_reason() {
    let config = "install a first\ninstall a* second\nsoftdep b pre: c\nsoftdep b pre: a\noptions a y=1\n\
                  options a y=2\nblacklist b\nblacklist a\ninstall b /bin/false\n";
    let (shown, _) = told(config, "modprobe.blacklist=a-x", "a");
    assert_contains(
        &shown,
        &[
            "x.conf line 1: install a first\n",
            "line 2: install a* second (no effect: x.conf line 1 comes before, and only the first counts)\n",
            "line 4: softdep b pre: a (kmod would take x.conf line 3 alone)\n",
            "line 5: options a y=1 (no effect: x.conf line 6 sets y anew, and the last counts)\n",
            "line 7: blacklist b (no effect: it does not hold for dependencies)\n",
            "line 8: blacklist a (no effect: it holds for aliases, and the module was named)\n",
            "line 9: install b /bin/false (kmod would not run it because of the softdep in x.conf line 3)\n",
            "parameters:\n    y: configured 2, now 8\n",
        ],
    );
}

#[test]
fn the_device_with_an_alias_is_named_with_its_driver() {
    let (shown, _) = told("alias pci:v* a\n", "", "pci:v1");
    assert_contains(&shown, &["device:   0000:00:01.0, which no driver has\n"]);
    assert!(!shown.contains("wins"), "{shown}");
}

#[test]
fn of_several_modules_for_a_device_the_first_that_is_let_in_wins() {
    let (shown, json) = told("alias pci:v* b\nalias pci:v* a\n", "", "pci:v1");
    assert_contains(
        &shown,
        &[
            "wins:     it comes in first, so its driver is asked first\n",
            "wins:     it is loaded, and has not taken the device\n",
        ],
    );
    assert!(json.contains("\"wins\":\"it comes in first, so its driver is asked first\""), "{json}");
    let (shown, _) = told("alias pci:v* b\nalias pci:v* a\nblacklist b\n", "", "pci:v1");
    assert_contains(&shown, &["wins:     it is kept out\n"]);
}

#[test]
fn modules_are_told_apart_by_an_empty_line() {
    let (shown, _) = told("alias two a\nalias two b\n", "", "two");
    assert_eq!(shown.matches("\n\nmodule:   b\n").count(), 1, "{shown}");
}
