//! The completions in the shells themselves: each is started on a terminal of its own, gets keys, and shows what
//! the tools would have been called with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

mod shells;

use std::fs;
use std::path::Path;

use fixtures::{Module, Tree};
use shells::{Shell, World};

const RELEASE: &str = "6.1.0-test";

/// A root with some modules, and which of them are loaded.
fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let with_parameters = Module::new("snd_hda_intel")
        .info("parm=power_save:Seconds until a codec sleeps")
        .info("parmtype=power_save:int")
        .info("parm=model:Name of the board")
        .info("parmtype=model:charp");
    let tree = Tree::new(RELEASE)
        .module("kernel/sound/snd-hda-intel.ko", with_parameters)
        .module("kernel/sound/snd-hda-core.ko", Module::new("snd_hda_core"))
        .module("kernel/fs/ext4.ko", Module::new("ext4"));
    let modules = tree.write(&root).unwrap();
    let dep = "kernel/sound/snd-hda-intel.ko: kernel/sound/snd-hda-core.ko\nkernel/sound/snd-hda-core.ko:\n\
               kernel/fs/ext4.ko:\n";
    fs::write(modules.join("modules.dep"), dep).unwrap();
    fs::create_dir_all(root.join("lib/modules/6.2.0-other")).unwrap();
    for (module, loadable) in [("snd_hda_core", true), ("sr_mod", true), ("snd_built_in", false)] {
        let state = directory.path().join("sys/module").join(module);
        fs::create_dir_all(&state).unwrap();
        if loadable {
            fs::write(state.join("initstate"), "live\n").unwrap();
        }
    }
    World { directory }
}

/// The words that each shell offers after `line`, in order.
fn offered(line: &str) -> Vec<(Shell, Vec<String>)> {
    let world = world();
    let line = line.replace("ROOT", world.root().to_str().unwrap());
    Shell::ALL.into_iter().map(|shell| (shell, shell.offers(&world, &line))).collect()
}

/// Each shell offers these; zsh writes modules with underscores whatever was typed.
fn check(line: &str, expected: &[&str]) {
    for (shell, offers) in offered(line) {
        let expected: Vec<String> = expected
            .iter()
            .map(|word| match shell {
                Shell::Zsh if !word.starts_with('-') && !word.contains('.') => word.replace('-', "_"),
                _ => (*word).to_owned(),
            })
            .collect();
        assert_eq!(offers, expected, "{shell:?} after {line:?}");
    }
}

#[test]
fn modules_of_the_database_are_offered_for_dashes_and_underscores_alike() {
    check("modprobe -d ROOT -S 6.1.0-test snd-hda-", &["snd-hda-core", "snd-hda-intel"]);
    check("modprobe -d ROOT -S 6.1.0-test snd_hda_i", &["snd_hda_intel"]);
    check("modprobe -qd ROOT -S6.1.0-test ex", &["ext4"]);
    check("modprobe --dirname=ROOT --set-version=6.1.0-test -a ext4 snd_hda_c", &["snd_hda_core"]);
}

#[test]
fn the_database_is_asked_and_the_tree_is_not_walked() {
    let world = world();
    let modules = world.root().join("lib/modules").join(RELEASE);
    fs::remove_file(modules.join("kernel/fs/ext4.ko")).unwrap();
    fs::write(modules.join("kernel/fs/extra.ko"), "in no database").unwrap();
    let line = format!("modprobe -d {} -S {RELEASE} ex", world.root().display());
    for shell in Shell::ALL {
        assert_eq!(shell.offers(&world, &line), ["ext4"], "{shell:?}");
    }
}

#[test]
fn only_loaded_modules_are_offered_for_unloading_and_for_their_settings() {
    check("rmmod s", &["snd_hda_core", "sr_mod"]);
    check("rmmod -f sr_mod snd-", &["snd-hda-core"]);
    check("modprobe -r s", &["snd_hda_core", "sr_mod"]);
    check("modprobe -vr sr_mod snd_", &["snd_hda_core"]);
    check("modprobe --save-settings sr_mod snd_", &["snd_hda_core"]);
    check("modprobe --show-settings s", &["snd_hda_core", "sr_mod"]);
}

#[test]
fn parameters_of_the_named_module_are_offered() {
    let line = "modprobe -d ROOT -S 6.1.0-test snd-hda-intel ";
    for (typed, expected) in [("", vec!["model", "power_save"]), ("pow", vec!["power_save"])] {
        for (shell, offers) in offered(&format!("{line}{typed}")) {
            // zsh takes the equals sign back when no value is typed.
            let mut names: Vec<&str> = offers.iter().map(|offer| offer.trim_end_matches('=')).collect();
            names.sort_unstable();
            assert_eq!(names, expected, "{shell:?}");
            assert!(shell == Shell::Zsh || offers.iter().all(|offer| offer.ends_with('=')), "{shell:?}");
        }
    }
}

#[test]
fn what_a_parameter_means_is_shown_where_the_shell_shows_such_things() {
    let world = world();
    let root = world.root();
    let line = format!("modprobe -d {} -S 6.1.0-test snd-hda-intel ", root.display());
    for shell in [Shell::Zsh, Shell::Fish] {
        let shown = shell.shows(&world, &line);
        assert!(shown.contains("Seconds until a codec sleeps"), "{shell:?}: {shown}");
    }
}

#[test]
fn kernels_with_modules_are_offered_where_a_release_is_wanted() {
    let both = ["6.1.0-test", "6.2.0-other"];
    check("depmod -b ROOT ", &both);
    check("depmod -a --basedir=ROOT 6.2", &["6.2.0-other"]);
    check("depmod -b ROOT/lib -m modules ", &both);
    check("modprobe -d ROOT -S ", &both);
    check("modprobe -d ROOT --set-version 6.1", &["6.1.0-test"]);
}

#[test]
fn options_are_offered_with_all_their_names() {
    check("modprobe --show-m", &["--show-modversions"]);
    check("modprobe --set", &["--set-version"]);
    check("rmmod --no", &["--no-persist"]);
    check("depmod --mod", &["--moduledir"]);
    check("modprobe --first", &["--first-time"]);
}

#[test]
fn options_of_every_tool_of_the_suite_are_offered() {
    for tool in suite::TOOLS {
        check(&format!("{tool} --vers"), &["--version"]);
    }
}

#[test]
fn names_files_fields_and_releases_are_offered_to_modinfo() {
    check("modinfo -b ROOT -k 6.1.0-test ex", &["ext4"]);
    check("modinfo --basedir=ROOT --set-version=6.1.0-test snd-hda-c", &["snd-hda-core"]);
    check("modinfo -F lic", &["license"]);
    check("modinfo -b ROOT -k ", &["6.1.0-test", "6.2.0-other"]);
}

#[test]
fn parameters_of_the_file_are_offered_to_insmod() {
    let line = "insmod ROOT/lib/modules/6.1.0-test/kernel/sound/snd-hda-intel.ko pow";
    for (shell, offers) in offered(line) {
        let names: Vec<&str> = offers.iter().map(|offer| offer.trim_end_matches('=')).collect();
        assert_eq!(names, ["power_save"], "{shell:?}");
    }
}

#[test]
fn commands_are_offered_to_kmod_and_loaded_modules_to_lsmod_where_it_takes_names() {
    for (shell, offers) in offered("kmod stat") {
        assert_eq!(offers, ["static-nodes"], "{shell:?}");
    }
    check("lsmod --why sr", &["sr_mod"]);
    check("lsmod --tr", &["--tree"]);
}

#[test]
fn options_and_operands_of_its_commands_are_offered_to_kmod() {
    check("kmod static-nodes --form", &["--format"]);
    check("kmod static-nodes -f tmp", &["tmpfiles"]);
    check("kmod graph --format mer", &["mermaid"]);
    check("kmod graph -b ROOT -k ", &["6.1.0-test", "6.2.0-other"]);
    check("kmod graph -b ROOT -k 6.1.0-test ex", &["ext4"]);
    check("kmod devices --mis", &["--missing"]);
    check("kmod list --why sr", &["sr_mod"]);
    // Of another command these are not.
    check("kmod devices --form", &[]);
}

#[test]
fn a_missing_database_offers_nothing_and_says_nothing() {
    check("modprobe -d ROOT/none ex", &[]);
    check("modprobe -d ROOT -S 9.9 ex", &[]);
    check("modprobe -d ROOT -S 6.1.0-test unknown_module pow", &[]);
}

#[test]
fn every_option_of_every_tool_is_in_the_completions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let findings =
        documents::completions::check(&root.join("completions"), &documents::tool::with_commands()).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn every_option_is_in_its_page_and_pages_render_without_warnings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let findings = documents::page::check(&root.join("man"), &documents::tool::all()).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn units_and_cron_entries_call_the_tools_with_options_that_they_have() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    let mut calls = 0;
    for directory in ["cron", "systemd"] {
        for file in fs::read_dir(packaging.join(directory)).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for tool in documents::tool::all() {
                let call = format!("/sbin/{} ", tool.name);
                for options in text.lines().filter_map(|line| line.split(&call).nth(1)) {
                    calls += 1;
                    let known = |name: &str| {
                        tool.options.iter().any(|option| option.spellings.iter().any(|s| s == name))
                    };
                    let before = options.split(' ').take_while(|word| *word != "--");
                    for word in before.filter(|word| word.starts_with('-')) {
                        let letters = || word.chars().skip(1).all(|letter| known(&format!("-{letter}")));
                        assert!(known(word) || letters(), "{} {word}", tool.name);
                    }
                }
            }
        }
    }
    assert!(calls >= 2, "nothing is called");
}
