use std::fs;

use fixtures::Module;
use moddb::config::Config;
use moddb::paths::ModuleDir;

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
    fs::write(at("lib/modules.dep"), "kernel/loop.ko:\nkernel/vfat.ko: kernel/fat.ko\nkernel/fat.ko:\n")
        .unwrap();
    fs::write(at("lib/modules.alias"), "alias fs-vfat vfat\nalias block-major-7-* loop\n").unwrap();
    fs::write(at("lib/modules.builtin"), "kernel/usbcore.ko\n").unwrap();
    fs::write(at("lib/modules.softdep"), "softdep nothing pre: unknown\n").unwrap();
    for (name, text) in files {
        fs::write(at("etc").join(name), text).unwrap();
    }
    fs::write(at("cmdline"), command_line).unwrap();
    let directory = ModuleDir::at(at("lib"));
    let (config, problems) = Config::load(&[at("etc")], &directory.configuration(), Some(&at("cmdline")));
    let db = ModuleDb::new(directory, config);
    let findings = check(&db, &problems, &[at("etc")], command_line.as_bytes());
    let page = as_text(&findings).replace(&format!("{}/", at("etc").display()), "");
    page.lines().map(str::to_owned).collect()
}

#[test]
fn a_configuration_without_faults_is_called_so() {
    let text =
        "options loop max_part=15 name=\"a b\"\nblacklist loop\nalias my vfat\nsoftdep vfat pre: loop\n";
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
            "options usbcore autosuspend=5 \"quirks=a b\"\noptions loop max_prat=15\noptions loop max_part=many\noptions block-major-7-1 x=1\n"
        ),
        [
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
    let told: Vec<String> = told.iter().map(|line| line.replace(&told_directory(line), "")).collect();
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

/// What stands before a file's name within a line.
fn told_directory(line: &str) -> String {
    let end = line.find("/etc/").map_or(0, |at| at + 5);
    line.get(..end)
        .and_then(|before| before.rfind(' '))
        .map_or(String::new(), |at| line[at + 1..end].to_owned())
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
