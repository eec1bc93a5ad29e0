use std::fs;
use std::path::Path;

use fixtures::Module;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modload::ModutilsProblem;
use modstate::config::ModutilsConfig;

use super::*;

/// The findings about these files of a configuration directory, without the directory's name; the modules are `loop`
/// with a parameter `max_part`, `vfat`, which needs `fat`, and `usbcore`, built in.
fn told(files: &[(&str, &str)], command_line: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for directory in ["lib/kernel", "etc"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    let module = Module::new("loop").info("parmtype=max_part:int").info("parmtype=name:charp");
    fs::write(at("lib/kernel/loop.ko"), module.bytes()).unwrap();
    let dep = "kernel/loop.ko:\nkernel/vfat.ko: kernel/fat.ko\nkernel/fat.ko:\nkernel/bare.ko:\n";
    fs::write(at("lib/modules.dep"), dep).unwrap();
    fs::write(at("lib/modules.alias"), "alias fs-vfat vfat\nalias block-major-7-* loop\n").unwrap();
    fs::write(at("lib/modules.builtin"), "kernel/usbcore.ko\n").unwrap();
    fs::write(at("lib/modules.softdep"), "softdep nothing pre: unknown\n").unwrap();
    for (name, text) in files.iter().filter(|(name, _)| *name != "rules.conf") {
        fs::write(at("etc").join(name), text).unwrap();
    }
    fs::write(at("cmdline"), command_line).unwrap();
    let directory = ModuleDir::at(at("lib"));
    let (modprobe_config, problems) =
        Config::load(&[at("etc")], &directory.configuration(), Some(&at("cmdline")));
    let db = ModuleDb::new(directory, modprobe_config);
    // What is called so stands for modutils.d.
    let mut config = ModutilsConfig::default();
    let of_rules = files.iter().filter(|(name, _)| *name == "rules.conf");
    let problems_of_rules = of_rules
        .flat_map(|(name, text)| {
            let problems = config.add(Path::new(name), text.as_bytes()).into_iter();
            problems.map(|problem| modutils_problem(&ModutilsProblem::Line { file: (*name).into(), problem }))
        })
        .collect();
    let modutils =
        Modutils { config: &config, problems: problems_of_rules, directories: &[], owner: 0, programs: "" };
    let findings = check(&db, &problems, &[at("etc")], command_line.as_bytes(), &modutils);
    let page = as_text(&findings).replace(&format!("{}/", at("etc").display()), "");
    page.lines().map(str::to_owned).collect()
}

#[test]
fn a_configuration_without_faults_is_called_so() {
    let text =
        "options loop max_part=15 name=\"a b\"\nblacklist vfat\nalias my loop\nsoftdep vfat pre: loop\n";
    assert_eq!(told(&[("a.conf", text)], "usbcore.x=1 quiet"), ["0 errors, 0 warnings, 0 notes"]);
}

#[test]
fn how_files_are_written_is_looked_at() {
    let files = [
        ("bom.conf", "\u{feff}blacklist loop\n"),
        ("crlf.conf", "# x\r\nblacklist vfat\r\n"),
        ("old", "blacklist loop\n"),
        ("bad.conf", "blacklst loop\noptions loop\n"),
    ];
    let told = told(&files, "");
    for expected in [
        "bom.conf line 1: error: a byte order mark stands before the first word, which is not understood because of it",
        "crlf.conf line 2: error: lines end in CR LF, and the CR is taken for a part of the last word",
        "old: note: not read, its name does not end in .conf",
        "bad.conf line 1: error: the line that begins with 'blacklst' is ignored: there are no such lines; did you mean blacklist?",
        "bad.conf line 2: error: the line that begins with 'options' is ignored: it is incomplete, or brackets in a name do not match",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}\n{told:#?}");
    }
}

/// The findings about one file, without its name and the sum.
fn lines(text: &str) -> Vec<String> {
    let mut told = told(&[("a.conf", text)], "");
    told.pop();
    told.iter().map(|line| line.replacen("a.conf line ", "", 1)).collect()
}

#[test]
fn parameters_are_held_against_the_module() {
    assert_eq!(
        lines(
            "options usbcore autosuspend=5 \"quirks=a b\" # all\noptions loop max_prat=15\noptions loop max_part=many\noptions block-major-7-1 x=1\n"
        ),
        [
            "1: error: usbcore was given '#' and what follows as parameters: a comment needs a line of its own",
            "1: warning: options for usbcore are without effect: it is built in; kernel command line: \
             usbcore.autosuspend=5 usbcore.quirks=\"a b\"",
            "2: error: loop has no parameter max_prat, so it has no effect; did you mean max_part?",
            "3: error: loop does not take max_part=many: 'many' is no number from -2147483648 to 2147483647 (int)",
            "4: error: loop has no parameter x, so it has no effect",
        ]
    );
    assert_eq!(
        lines("options lop x=1\noptions loop name=x # comment\n"),
        [
            "1: warning: there is no module or alias lop here; did you mean loop?",
            "2: error: loop was given '#' and what follows as parameters: a comment needs a line of its own",
        ]
    );
}

#[test]
fn names_are_held_against_the_database() {
    assert_eq!(
        lines(
            "blacklist vfta\nblacklist fs-vfat\nblacklist usbcore\nblacklist v*\nblacklist fat\nalias x off\n\
             alias y my\nalias my loop\nalias z nothing\ninstall usbcore /bin/false\nremove lop true\n\
             softdep vfat pre: lopo\n"
        ),
        [
            "1: note: there is no module vfta here; did you mean vfat?",
            "2: warning: fs_vfat is an alias, and blacklist knows modules only: vfat",
            "3: warning: usbcore is built in, so blacklisting it has no effect",
            "4: error: blacklist knows no patterns, so v* blacklists nothing",
            "5: note: fat comes in anyway with what depends on it, such as vfat",
            "6: warning: off is no module, so loading x fails; to keep it out: blacklist or install",
            "7: warning: my is an alias itself, which is not followed, so y loads nothing",
            "9: warning: there is no module nothing here, so z loads nothing",
            "10: warning: usbcore is built in, so this install line has no effect",
            "11: note: there is no module lop here; did you mean loop?",
            "12: note: the softdep of vfat on lopo means nothing here; did you mean loop?",
        ]
    );
}

#[test]
fn lines_that_others_void_are_named_with_these() {
    let told = lines(
        "install loop one\ninstall lo* two\ninstall loop three\noptions loop max_part=1\noptions loop max_part=2\n\
         softdep fat pre: vfat\nsoftdep vfat post: fat\ninstall vfat modprobe -q vfat\n",
    );
    for expected in [
        "3: warning: this install line for loop has no effect: a.conf line 1 comes before, and only the first counts",
        "4: warning: max_part of loop is set again in a.conf line 5, and the last counts",
        "6: warning: softdeps lead in a circle: fat -> vfat -> fat",
        "8: warning: kmod ignores the install line for vfat because of the softdep in a.conf line 7",
        "8: error: the install command for vfat calls modprobe for vfat again: add --ignore-install",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}\n{told:#?}");
    }
    // A pattern is not void because a name stands before it.
    assert!(!told.iter().any(|line| line.starts_with("2:")), "{told:#?}");
}

#[test]
fn aliases_that_lead_nowhere_or_come_before_something_are_named() {
    assert_eq!(
        lines(
            "alias /dev/loop0 loop\nalias vfat loop\nalias fs-vfat fat\nalias my loop\nalias my loop\n\
             alias fs-new vfat\nblacklist vfat\nalias fat loop\nalias fat fat\nalias ba* loop\n"
        ),
        [
            "1: warning: nothing can reach /dev/loop0: such a name is taken for the path of a file",
            "2: warning: vfat is the name of a module, too, which this alias comes before: it loads loop instead",
            "3: note: fs_vfat is an alias of vfat, too, which this line comes before",
            "5: note: a.conf line 4 says so already",
            "6: warning: a.conf line 7 blacklists vfat, so fs_new loads nothing",
            "10: warning: bare is the name of a module, too, which this alias comes before: it loads loop instead",
        ]
    );
}

#[test]
fn a_blacklisted_module_comes_in_by_other_ways() {
    assert_eq!(
        lines("blacklist loop\nsoftdep vfat post: loop\nblacklist fat\nblacklist loop\nblacklist vfat\n"),
        [
            "1: note: loop comes in anyway by the softdep of vfat",
            "3: note: fat comes in anyway with what depends on it, such as vfat",
            "4: note: a.conf line 1 blacklists loop already",
        ]
    );
    // Nothing leads to it but its name; an install line keeps it out.
    let told = |files| told(&[("a.conf", files)], "");
    assert_eq!(
        told("blacklist bare\n"),
        [
            "a.conf line 1: note: no alias leads to bare, and its name loads it anyway",
            "0 errors, 0 warnings, 1 note"
        ]
    );
    assert_eq!(told("blacklist bare\ninstall bare /bin/false\n"), ["0 errors, 0 warnings, 0 notes"]);
    assert_eq!(told("blacklist bare\nalias for-bare bare\n").len(), 2);
}

#[test]
fn commands_that_run_each_other_are_named_with_the_way_back() {
    for (text, expected) in [
        // One command runs the other.
        (
            "install loop modprobe vfat; true\ninstall vfat /sbin/modprobe -q loop\n",
            Some("1: error: install commands lead in a circle: loop -> vfat -> loop"),
        ),
        // By what a module needs, and by a softdep, which an option that leaves out commands does not end.
        (
            "install fat modprobe -i vfat\n",
            Some("1: error: install commands lead in a circle: fat -> vfat -> fat"),
        ),
        (
            "softdep vfat pre: loop\ninstall loop modprobe --ignore-install vfat\n",
            Some("2: error: install commands lead in a circle: loop -> vfat -> loop"),
        ),
        (
            "remove loop modprobe -r vfat\nremove vfat modprobe -r loop\n",
            Some("1: error: remove commands lead in a circle: loop -> vfat -> loop"),
        ),
        // These end.
        ("install loop modprobe vfat\ninstall vfat modprobe -i vfat && modprobe fat\n", None),
        ("install loop modprobe vfat\ninstall vfat modprobe -r loop\n", None),
        ("install loop modprobe -i loop && modprobe vfat\n", None),
    ] {
        let told = lines(text);
        let circles: Vec<&String> = told.iter().filter(|line| line.contains("circle")).collect();
        assert_eq!(circles, expected.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn lines_of_modutils_d_are_held_against_the_database_and_each_other() {
    let rules = "forbid lo*\nforbid loop : again\nforbid fat\nforbid usbcore\nforbid vfta\nforbid loop because\n\
                 deny-request fs-* net-pf-99\ndeny-request fs-vfat\nallow-request fs-vf*\nallow-request char-*\n\
                 deny-request block-major-7-1\nallow-request block-major-7-*\nallow-request block-major-7-2\n\
                 denny x\n";
    assert_eq!(
        told(&[("rules.conf", rules), ("a.conf", "options loop max_part=1\ninstall loop x\n")], ""),
        [
            "a.conf line 1: warning: rules.conf line 1 forbids loop, so this options line has no effect",
            "a.conf line 2: warning: rules.conf line 1 forbids loop, so this install line has no effect",
            "rules.conf line 2: note: rules.conf line 1 forbids loop already",
            "rules.conf line 3: note: this also keeps out what depends on fat, such as vfat",
            "rules.conf line 4: warning: usbcore is built in, so forbidding it has no effect",
            "rules.conf line 5: note: there is no module vfta here; did you mean vfat?",
            "rules.conf line 6: error: a reason for 'forbid' stands behind ' : '; this line keeps nothing out",
            "rules.conf line 7: note: no module has an alias that net_pf_99 stands for",
            "rules.conf line 8: note: rules.conf line 7 denies fs_vfat already",
            "rules.conf line 10: warning: nothing denies char_*, so there is nothing to allow",
            "rules.conf line 11: warning: rules.conf line 12 allows all of block_major_7_1, so this denies nothing",
            "rules.conf line 13: note: rules.conf line 12 allows block_major_7_2 already",
            "rules.conf line 14: error: the line that begins with 'denny' is ignored: there are no such lines",
            "2 errors, 5 warnings, 6 notes",
        ]
    );
    let clean = "forbid vfat : not here\ndeny-request block-* fs-*\nallow-request fs-vfat\n";
    assert_eq!(told(&[("rules.conf", clean)], ""), ["0 errors, 0 warnings, 0 notes"]);
}

#[test]
fn the_kernels_command_line_and_files_are_held_against_each_other() {
    assert_eq!(
        told(
            &[("a.conf", "options loop max_part=1\nsoftdep vfat pre: loop\noptions vfat x=1\n")],
            "module_blacklist=loop,fat,vfta modprobe.blacklist=vfat"
        ),
        [
            "a.conf line 1: warning: module_blacklist= on the kernel command line forbids loop, so these options have \
             no effect",
            "a.conf line 2: warning: module_blacklist= on the kernel command line forbids loop, so vfat does without \
             it",
            "the kernel command line: note: module_blacklist=fat also keeps out what depends on it, such as vfat",
            "the kernel command line: note: module_blacklist=vfta: there is no module of that name here; did you mean \
             vfat?",
            "0 errors, 2 warnings, 2 notes",
        ]
    );
}

#[test]
fn what_the_kernels_command_line_says_is_looked_at() {
    assert_eq!(
        told(
            &[("a.conf", "options loop max_part=1\n")],
            "modprobe.blacklist=snd-hda module_blacklist=nls-ascii,usbcore loop.max_part=2"
        ),
        [
            "a.conf line 1: warning: max_part of loop is set again in the kernel command line, and the last counts",
            "the kernel command line: error: module_blacklist=nls-ascii forbids nothing, names are compared as written: nls_ascii",
            "the kernel command line: error: snd-hda is compared as written here, so it blacklists nothing: write snd_hda",
            "the kernel command line: warning: module_blacklist=usbcore has no effect: it is built in",
            "2 errors, 2 warnings, 0 notes",
        ]
    );
}

#[test]
fn programs_get_an_object_for_each_finding() {
    let finding = Finding {
        level: Level::Warning,
        place: "a.conf".into(),
        line: Some(3),
        module: Some("m".into()),
        text: "x".into(),
    };
    assert_eq!(
        as_json(&[finding]),
        "[{\"level\":\"warning\",\"place\":\"a.conf\",\"line\":3,\"module\":\"m\",\"text\":\"x\"}]\n"
    );
}
