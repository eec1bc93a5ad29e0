//! The same command lines on kmod 34's modprobe and on ours, in the same world: standard output, standard error
//! and exit status are equal, or both are stated here with the reason.
//!
//! Nothing here reaches the kernel: queries, dry runs, commands of the configuration, modules that are absent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use fixtures::{Module, Tree};
use reference::{Cache, Program, Release};

const VERSION: &str = "6.1.0-test";

const CONFIG: &str = "\
# comment\n\
alias al-* top\n\
alias al-two mid\n\
alias nothing off\n\
alias built unix\n\
blacklist black\n\
options top  a=1\tb\n\
options al-* c=\"d e\"\n\
options low y=2\n\
install cmd echo \"[$MODPROBE_MODULE] [$MODPROBE_OPTIONS]\" $CMDLINE_OPTS\n\
install fails exit 3\n\
install killed kill -9 $$\n\
install softcmd echo never\n\
install w[0-9]* echo wild\n\
remove cmd echo gone [$CMDLINE_OPTS]; exit 4\n\
remove goes echo gone $MODPROBE_MODULE\n\
softdep soft pre: low mid post: lone\n\
softdep softcmd pre: lone\n\
softdep circle-a pre: circle-b\n\
softdep circle-b post: circle-a\n\
softdep unmet pre: no-such-thing\n\
weakdep top lone\n\
include x\n\
bogus line\n";

fn tree() -> Tree {
    let plain = |name: &str| Module::new(name);
    Tree::new(VERSION)
        .module("kernel/low.ko", plain("low").export("low_symbol", 0x11))
        .module(
            "kernel/mid.ko.xz",
            plain("mid").versioned_need("low_symbol", 0x11).export("mid_symbol", 0x22),
        )
        .module(
            "kernel/top.ko",
            plain("top").versioned_need("mid_symbol", 0x22).need("low_symbol").alias("pci:v*d00000001*"),
        )
        .module("kernel/lone.ko", plain("lone").alias("pci:v0000000[1-3]d*").alias("only-lone"))
        .module("kernel/black.ko", plain("black").alias("black-alias").alias("pci:v00000001d*"))
        .module("kernel/soft.ko", plain("soft"))
        .module("kernel/softcmd.ko", plain("softcmd"))
        .module("kernel/circle-a.ko", plain("circle_a"))
        .module("kernel/circle-b.ko", plain("circle_b"))
        .module("kernel/unmet.ko", plain("unmet"))
        .module("kernel/w1.ko", plain("w1"))
        .builtin(&["kernel/net/unix.ko", "kernel/fs/proc.ko"])
        .builtin_modinfo(&["unix.alias=net-pf-1", "ghost.alias=fs-ghost"])
        .with_build_files()
}

/// Command lines on which both say the same. `{root}` is the root, `{modules}` the module directory.
const SAME: &[&str] = &[
    "-D top",
    "-D top x=1 y",
    "-D top 'x=a b' 'y=\"c d\"' 'plain word' '=e f'",
    "-D al-1",
    "-D al-two",
    "-D al_two p=1",
    "-aD top lone nothing-at-all mid",
    "-D pci:v00000001d00000001x",
    "-D soft",
    "-D softcmd",
    "-D circle-a",
    "-D circle_b",
    "-D unmet",
    "-D nothing",
    "-D built",
    "-D unix",
    "-D net-pf-1",
    "-D fs-ghost",
    "-D cmd z=1",
    "-D w1",
    "-D -i softcmd",
    "-D -i cmd",
    "-iD soft",
    "-bD black",
    "-D black",
    "-D black-alias",
    "-D {modules}/kernel/top.ko",
    "-D ./kernel/top.ko q=1",
    "-D kernel/top.ko",
    "-D /no/such.ko",
    "-aD /no/such.ko ./none.ko",
    "-D --first-time top",
    "-n top",
    "-nv top",
    "-nv soft",
    "-nv nothing",
    "-nv cmd",
    "-nv unix",
    "-n --first-time unix",
    "--show -v lone",
    "-R top",
    "-R al-1",
    "-R al-two",
    "-R pci:v00000001d00000001x",
    "-R symbol:mid_symbol",
    "-R symbol:none",
    "-R net-pf-1",
    "-R net_pf_1",
    "-R cmd",
    "-R goes",
    "-R black-alias",
    "-R nothing",
    "-aR top none lone",
    "-aqR top none lone",
    "-R 'a]'",
    "-R '[x'",
    "-R ''",
    "-R top.ko",
    "-R {modules}/kernel/mid.ko.xz",
    "--resolve-alias lone",
    "--resolve lone",
    "none",
    "-q none",
    "-a none nil",
    "-qa none nil",
    "unix",
    "-v unix",
    "--first-time unix",
    "built",
    "cmd",
    "cmd 'p=a b'",
    "-q cmd",
    "-s cmd",
    "fails",
    "-q fails",
    "killed",
    "-a fails killed",
    "nothing",
    "-q nothing",
    "black-alias",
    "-b black",
    "w9",
    "-i cmd",
    "-r none",
    "-rq none",
    "-ra none nil",
    "-r unix",
    "-rq unix",
    "-ra unix none",
    "-r top",
    "-rv top",
    "-r --first-time top",
    "-ra --first-time top lone",
    "-rn top",
    "-rD top",
    "-rD soft",
    "-rD -i soft",
    "-r goes",
    "-rv goes",
    "-rnv goes",
    "-rD goes",
    "-r cmd",
    "-ra cmd top",
    "-ri cmd",
    "-r {modules}/kernel/top.ko",
    "-r -w 10 top",
    "-r -w 0x10 top",
    "-r -w ten top",
    "-w '' top",
    "--show-modversions {modules}/kernel/top.ko",
    "--show-exports {modules}/kernel/mid.ko.xz",
    "--dump-modversions kernel/mid.ko.xz",
    "--show-exports {modules}/kernel/lone.ko",
    "--show-exports {modules}/modules.order",
    "--show-exports none",
    "-S 9.9 none",
    "-d /no/root none",
    "",
    "-a",
    "-r",
    "--re top",
    "--sh top",
    "--bogus",
    "-x",
    "-S",
    "--wait",
    "--all=1 top",
    "top -D",
    "-D -- top -v",
];

/// A command line on which ours says something else, with the reason and both results.
struct Different {
    line: &'static str,
    reason: &'static str,
    kmod: &'static str,
    ours: &'static str,
}

const DIFFERENT: &[Different] = &[
    Different {
        line: "-v cmd",
        reason: "what is shown stands before what the command prints, whatever standard output is",
        kmod: "[cmd] [-v]\ninstall echo \"[$MODPROBE_MODULE] [$MODPROBE_OPTIONS]\" $CMDLINE_OPTS \n|0",
        ours: "install echo \"[$MODPROBE_MODULE] [$MODPROBE_OPTIONS]\" $CMDLINE_OPTS \n[cmd] [-v]\n|0",
    },
    Different {
        line: "-rD --remove-holders top",
        reason: "a module that is not loaded has no holders, and that is nothing to complain of",
        kmod: "rmmod top\nmodprobe: ERROR: could not open '/sys/module/top/holders': No such file or directory\n|0",
        ours: "rmmod top\n|0",
    },
    Different {
        line: "--show-exports mid",
        reason: "a name does as well as a path, as in later versions of kmod",
        kmod: "modprobe: FATAL: Module mid not found.\n|1",
        ours: "0x00000022\tmid_symbol\n|0",
    },
    Different {
        line: "-R --show-alias lone",
        reason: "the spelling of later versions of kmod is accepted",
        kmod: "modprobe: unrecognized option '--show-alias'\n|1",
        ours: "lone\n|0",
    },
    Different {
        line: "-k none",
        reason: "the old kernels' option, which implies -q",
        kmod: "modprobe: invalid option -- 'k'\n|1",
        ours: "|1",
    },
    Different {
        line: "-l w*",
        reason: "listing by pattern, as in older tools",
        kmod: "modprobe: invalid option -- 'l'\n|1",
        ours: "kernel/w1.ko\n|0",
    },
];

struct World {
    root: tempfile::TempDir,
    modules: std::path::PathBuf,
}

impl World {
    fn new(cache: &Cache, config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let modules = tree().write(root.path()).unwrap();
        std::fs::write(root.path().join("test.conf"), config).unwrap();
        let mut depmod = Program::reference(cache, Release::Kmod34, "depmod").unwrap().command();
        let status = depmod.arg("-b").arg(root.path()).arg(VERSION).status().unwrap();
        assert!(status.success());
        Self { root, modules }
    }

    /// Standard output, standard error and exit status as one text.
    fn run(&self, mut command: Command, line: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        let line = line.replace("{root}", root).replace("{modules}", self.modules.to_str().unwrap());
        command.args(["-C", &format!("{root}/test.conf"), "-d", root, "-S", VERSION]);
        command.args(words(&line)).env_clear().env("PATH", "/usr/bin:/bin").current_dir(&self.modules);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| {
            // The part of the variable that is the same for every line.
            String::from_utf8_lossy(bytes)
                .replace(&format!("-C {root}/test.conf "), "")
                .replace(&format!("-C {root}/test.conf"), "")
        };
        format!("{}{}|{}", text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
    }
}

/// Splits at spaces outside of single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for character in line.chars() {
        match character {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn ours() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_modprobe")));
    command.arg0("modprobe");
    command
}

/// What is wrong with the configuration is worded as kmod words it, but said by another speaker.
fn without_config_complaints(result: &str) -> String {
    let is_complaint =
        |line: &str| line.contains("ignoring bad line") || line.contains("deprecated and not parsed anymore");
    result.split_inclusive('\n').filter(|line| !is_complaint(line)).collect()
}

#[test]
fn every_command_line_says_what_kmod_34_says_or_differs_by_intent() {
    let cache = Cache::of_user().unwrap();
    let kmod = Program::reference(&cache, Release::Kmod34, "modprobe")
        .expect("the reference programs are needed: run cargo xtask setup");
    let world = World::new(&cache, CONFIG);
    let mut wrong = Vec::new();
    for line in SAME {
        let expected = without_config_complaints(&world.run(kmod.command(), line));
        let found = without_config_complaints(&world.run(ours(), line));
        if expected != found {
            wrong.push(format!("modprobe {line}\n-- kmod 34\n{expected}\n-- ours\n{found}\n"));
        }
    }
    for Different { line, reason, kmod: theirs, ours: expected } in DIFFERENT {
        let there = without_config_complaints(&world.run(kmod.command(), line));
        let here = without_config_complaints(&world.run(ours(), line));
        if (there.as_str(), here.as_str()) != (*theirs, *expected) {
            wrong.push(format!("modprobe {line} ({reason})\n-- kmod 34\n{there}\n-- ours\n{here}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_dump_of_the_configuration_differs_in_one_space_only() {
    let cache = Cache::of_user().unwrap();
    let kmod = Program::reference(&cache, Release::Kmod34, "modprobe").unwrap();
    let world = World::new(&cache, CONFIG);
    let theirs = without_config_complaints(&world.run(kmod.command(), "-c"));
    let ours = without_config_complaints(&world.run(ours(), "-c"));
    // kmod's cannot be read back.
    assert!(theirs.contains("softdep soft pre: low midpost: lone\n"), "{theirs}");
    assert_eq!(ours, theirs.replace("midpost:", "mid post:"));
}

#[test]
fn options_of_the_variable_come_first_and_are_handed_on() {
    let cache = Cache::of_user().unwrap();
    let kmod = Program::reference(&cache, Release::Kmod34, "modprobe").unwrap();
    let world = World::new(&cache, CONFIG);
    for (options, line) in
        [("-D", "top"), ("-a 'top' \"lone\"", "-D"), ("-q", "cmd"), ("-v  -q", "-D top"), ("", "cmd")]
    {
        let run = |mut command: Command| {
            let root = world.root.path();
            command.env_clear().env("PATH", "/usr/bin:/bin").env("MODPROBE_OPTIONS", options);
            command.arg("-d").arg(root).arg("-S").arg(VERSION).arg("-C").arg(root.join("test.conf"));
            let output = command.args(words(line)).output().unwrap();
            let stderr = without_config_complaints(&String::from_utf8_lossy(&output.stderr));
            (String::from_utf8(output.stdout).unwrap(), stderr, output.status.code())
        };
        assert_eq!(run(ours()), run(kmod.command()), "MODPROBE_OPTIONS='{options}' modprobe {line}");
    }
}
