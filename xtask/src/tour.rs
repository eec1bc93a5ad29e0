//! `cargo xtask tour`: runs the examples of README.md and of the manual pages, and compares what appears with what
//! they show.
//!
//! Only examples that a user without rights could type (`$`) and that show something are run, on a terminal, in a
//! world where nothing is loaded and the only kernel is the one that setup brought. modprobe-hints(7) is about what goes
//! wrong, as root (`#`), too: comments `.\" before: COMMAND` in front of an example make the system like that, with
//! what [`SITUATION`] knows.
//!
//! Beside them `modprobe --check` is run on three configurations as people have them, in tests/documents/hardening.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use reference::Kernel;

use crate::{project, setup, shell};

/// The kernel that the examples show.
const RELEASE: &str = "6.1.0-56-amd64";

/// The files, where the system is that their examples look at, and what stands before a command that is run.
const FILES: [(&str, &str, &[&str]); 5] = [
    ("README.md", "/mnt/image", &["$ "]),
    ("man/modprobe.8", "", &["$ "]),
    ("man/modprobe-hints.7", "", &["$ ", "# "]),
    ("man/depmod.8", "", &["$ "]),
    ("man/modules.dep.5", "", &["$ "]),
];

/// Commands that make up a situation, in a mount namespace of its own; `$ROOT` is the world.
const SITUATION: &str = r#"
# What the kernel answers to those who load: the name of an error, or 0.
answer() { export ANSWER="$1"; }
# Shows a text in the place of a file of the system.
show() { file=$(mktemp -p "$SCRATCH") && printf '%s\n' "$2" >"$file" && mount --bind "$file" "$1"; }
# A line of modprobe.d, instead of all others.
configure() { mount -t tmpfs none "$ROOT/etc/modprobe.d" && printf '%s\n' "$1" >"$ROOT/etc/modprobe.d/local.conf"; }
"#;

/// Where the configurations are that are checked, and what is said about each.
const CONFIGURATIONS: &str = "tests/documents/hardening";

/// What modprobe.d(5) shows, and modprobe(8) explains.
const CONFIGURATION: &str = "blacklist pcspkr\ninstall floppy /bin/false\n";

/// Runs all examples.
pub fn run() -> Result<()> {
    let kernel = setup::modules()?.kernel()?;
    if kernel.version != RELEASE {
        println!("the examples show {RELEASE}, and Debian has {} by now: not compared", kernel.version);
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    prepare(scratch.path(), &kernel)?;
    let mut wrong = 0;
    for (name, place, prompts) in FILES {
        let text = fs::read_to_string(project::root().join(name)).with_context(|| name.to_owned())?;
        let examples = examples(&text, prompts);
        ensure!(!examples.is_empty(), "{name} has no examples");
        for example in &examples {
            let shown = play(scratch.path(), place, example)?;
            let expected: Vec<&str> = example.output.iter().map(|line| comparable(line)).collect();
            if shown.lines().map(comparable).ne(expected.iter().copied()) {
                wrong += 1;
                println!("{name}: $ {}\nshows\n{}\nand now\n{shown}", example.command, expected.join("\n"));
            }
        }
        println!("{name}: {} examples", examples.len());
    }
    wrong += configurations(scratch.path())?;
    ensure!(wrong == 0, "{wrong} examples show something else now");
    Ok(())
}

/// Checks the configurations, and gives the number of those about which something else is said now.
fn configurations(scratch: &Path) -> Result<usize> {
    let directory = project::root().join(CONFIGURATIONS);
    let mut names: Vec<_> =
        fs::read_dir(&directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    names.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    names.sort();
    ensure!(!names.is_empty(), "{CONFIGURATIONS} has no configurations");
    let mut wrong = 0;
    for path in names {
        let copy = "mount -t tmpfs none \"$ROOT/etc/modprobe.d\" && cp";
        let before = vec![format!("{copy} '{}' \"$ROOT/etc/modprobe.d\"", path.display())];
        let check = Example { before, command: "modprobe --check".to_owned(), output: Vec::new() };
        let shown = play(scratch, "", &check)?;
        let expected = fs::read_to_string(path.with_extension("check")).unwrap_or_default();
        if shown != expected {
            wrong += 1;
            println!("{}: --check said\n{expected}\nand says now\n{shown}", path.display());
        }
        println!("{}: {} lines", path.display(), shown.lines().count());
    }
    Ok(wrong)
}

/// A root directory with a database and configuration, tools that look there, and no loaded module.
fn prepare(scratch: &Path, kernel: &Kernel) -> Result<()> {
    let root = scratch.join("root");
    kernel.lay_out(&kernel.modules(), &root)?;
    let configuration = root.join("etc/modprobe.d");
    for directory in [&configuration, &scratch.join("bin"), &scratch.join("work")] {
        fs::create_dir_all(directory)?;
    }
    fs::write(configuration.join("unwanted.conf"), CONFIGURATION)?;
    let (depmod, modprobe) = (project::build("depmod")?.path, project::build("modprobe")?.path);
    let root = root.display();
    let tools = [
        (
            "modprobe",
            format!(
                "set -- {} -d {root} -C {root}/etc/modprobe.d -S {RELEASE} \"$@\"\n{ANSWERING}exec \"$@\"",
                modprobe.display()
            ),
        ),
        (
            "depmod",
            format!(
                "case \" $* \" in *' {RELEASE} '*) ;; *) set -- \"$@\" {RELEASE} ;; esac\nexec {} -b {root} \"$@\"",
                depmod.display()
            ),
        ),
    ];
    for (name, script) in tools {
        let file = scratch.join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    shell::quietly(Command::new(scratch.join("bin/depmod")).arg("--no-cache"))
}

/// The end of a script that runs its arguments: a kernel that answers `$ANSWER`.
const ANSWERING: &str = r#"
case "$ANSWER" in
    '') ;;
    0) set -- -e inject=finit_module,init_module,delete_module:retval=0 "$@" ;;
    *) set -- -e inject=finit_module,init_module,delete_module:error="$ANSWER" "$@" ;;
esac
[ -z "$ANSWER" ] || set -- strace -f -qqq -o /dev/null -e trace=finit_module,init_module,delete_module "$@"
"#;

/// A command, what is done before it, and the lines that it shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Example {
    before: Vec<String>,
    command: String,
    output: Vec<String>,
}

/// The examples of a text that show something: lines between fences, or between `.EX` and `.EE`.
fn examples(text: &str, prompts: &[&str]) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    let mut before: Vec<String> = Vec::new();
    for line in text.lines() {
        let command = prompts.iter().find_map(|prompt| line.strip_prefix(prompt)).filter(|_| inside);
        if line.starts_with("```") || line == ".EX" || line == ".EE" {
            inside = line == ".EX" || line.starts_with("```") && !inside;
            // What comes next belongs to no command.
            found.push(Example::default());
        } else if let Some(preparation) = line.strip_prefix(".\\\" before: ") {
            before.push(preparation.to_owned());
        } else if let Some(command) = command {
            found.push(Example {
                before: std::mem::take(&mut before),
                command: plain(command),
                output: Vec::new(),
            });
        } else if inside && let Some(last) = found.last_mut() {
            last.output.push(plain(line));
        }
    }
    // A change of directory shows nothing, but counts for what follows.
    let mut directory = String::new();
    for example in &mut found {
        if example.command.starts_with("cd ") {
            directory = format!("{} && ", example.command);
        } else if example.command.is_empty() {
            directory.clear();
        } else {
            example.command.insert_str(0, &directory);
        }
    }
    found.retain(|example| !example.command.is_empty() && !example.output.is_empty());
    found
}

/// A line of a manual page as it is shown.
fn plain(line: &str) -> String {
    line.replace("\\-", "-").replace("\\e", "\\")
}

/// What a command shows on a terminal, with the names that the example has.
fn play(scratch: &Path, place: &str, example: &Example) -> Result<String> {
    let Example { before, command, .. } = example;
    let root = scratch.join("root").display().to_string();
    let there = if place.is_empty() {
        command.replace("cd /lib/", &format!("cd {root}/lib/"))
    } else {
        command.replace(place, &root)
    };
    let mut terminal = Command::new("unshare");
    let own = tempfile::tempdir_in(scratch)?;
    let loaded = own.path().join("loaded");
    fs::create_dir(&loaded)?;
    let enter = format!("mount --bind \"$0\" /sys/module\n{SITUATION}\n{}\nexec \"$@\"", before.join("\n"));
    terminal.args(["--user", "--map-root-user", "--mount", "sh", "-euc", &enter]).arg(&loaded);
    terminal
        .env("ROOT", &root)
        .env("SCRATCH", own.path())
        .env("MODULES", format!("{root}/lib/modules/{RELEASE}"));
    terminal.args(["script", "--quiet", "--return", "--command", &there, "/dev/null"]);
    let path = std::env::var("PATH").unwrap_or_default();
    terminal.env("PATH", format!("{}:{path}", scratch.join("bin").display()));
    // Nothing that is taken back again, such as a progress bar, is shown.
    terminal.env("TERM", "dumb").current_dir(scratch.join("work")).stdin(Stdio::null());
    let output = terminal.output().context("cannot start unshare")?;
    ensure!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).replace('\r', "").replace(&root, place))
}

/// A line without what differs from run to run: spaces at its end, and the times that something took.
fn comparable(line: &str) -> &str {
    let line = line.trim_end();
    let is_time = |time: &str| time.starts_with(|first: char| first.is_ascii_digit()) && time.contains(" s");
    line.rsplit_once(" in ").filter(|(_, time)| is_time(time)).map_or(line, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_show_something_are_found_with_the_directory_that_they_run_in() {
        let page =
            "text\n$ not here\n.EX\n$ cd /d\n$ grep \\-x y\nz\n$ nothing\n.EE\n.EX\n# root\nw\n$ a\nb\n.EE\n";
        let example = |command: &str, output: &str| Example {
            command: command.into(),
            output: vec![output.into()],
            before: Vec::new(),
        };
        let user = ["$ "].as_slice();
        assert_eq!(examples(page, user), [example("cd /d && grep -x y", "z"), example("a", "b")]);
        assert_eq!(examples("```\n$ a\nb\n```\nc\n```\nd\n```\n", user), [example("a", "b")]);
        let page = ".\\\" before: answer 0\n.EX\n# a\nb\n# c\nd\n.EE\n";
        let first = Example { before: vec!["answer 0".into()], ..example("a", "b") };
        assert_eq!(examples(page, &["$ ", "# "]), [first, example("c", "d")]);
    }

    #[test]
    fn times_and_spaces_at_the_end_do_not_count() {
        assert_eq!(comparable("depmod: 3 modules in 0.10 s (scan 9 ms)"), "depmod: 3 modules");
        assert_eq!(comparable("not found in directory /x "), "not found in directory /x");
    }
}
