//! `cargo xtask tour`: runs the examples of README.md and of the manual pages, and compares what appears with what
//! they show.
//!
//! Only examples that a user without rights could type (`$`) and that show something are run, on a terminal, in a
//! world where nothing is loaded and the only kernel is the one that setup brought.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use reference::Kernel;

use crate::{project, setup, shell};

/// The kernel that the examples show.
const RELEASE: &str = "6.1.0-56-amd64";

/// The files, and where the system is that their examples look at.
const FILES: [(&str, &str); 4] =
    [("README.md", "/mnt/image"), ("man/modprobe.8", ""), ("man/depmod.8", ""), ("man/modules.dep.5", "")];

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
    for (name, place) in FILES {
        let text = fs::read_to_string(project::root().join(name)).with_context(|| name.to_owned())?;
        let examples = examples(&text);
        ensure!(!examples.is_empty(), "{name} has no examples");
        for example in &examples {
            let shown = play(scratch.path(), place, &example.command)?;
            let expected: Vec<&str> = example.output.iter().map(|line| comparable(line)).collect();
            if shown.lines().map(comparable).ne(expected.iter().copied()) {
                wrong += 1;
                println!("{name}: $ {}\nshows\n{}\nand now\n{shown}", example.command, expected.join("\n"));
            }
        }
        println!("{name}: {} examples", examples.len());
    }
    ensure!(wrong == 0, "{wrong} examples show something else now");
    Ok(())
}

/// A root directory with a database and configuration, tools that look there, and no loaded module.
fn prepare(scratch: &Path, kernel: &Kernel) -> Result<()> {
    let root = scratch.join("root");
    kernel.lay_out(&kernel.modules(), &root)?;
    let configuration = root.join("etc/modprobe.d");
    for directory in [&configuration, &scratch.join("none"), &scratch.join("bin"), &scratch.join("work")] {
        fs::create_dir_all(directory)?;
    }
    fs::write(configuration.join("unwanted.conf"), CONFIGURATION)?;
    let (depmod, modprobe) = (project::build("depmod")?.path, project::build("modprobe")?.path);
    let root = root.display();
    let tools = [
        (
            "modprobe",
            format!("exec {} -d {root} -C {root}/etc/modprobe.d -S {RELEASE} \"$@\"", modprobe.display()),
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

/// A command, and the lines that it shows.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    command: String,
    output: Vec<String>,
}

/// The examples of a text that show something: lines between fences, or between `.EX` and `.EE`.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") || line == ".EX" || line == ".EE" {
            inside = line == ".EX" || line.starts_with("```") && !inside;
            // What comes next belongs to no command.
            found.push(Example { command: String::new(), output: Vec::new() });
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            found.push(Example { command: plain(command), output: Vec::new() });
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
fn play(scratch: &Path, place: &str, command: &str) -> Result<String> {
    let root = scratch.join("root").display().to_string();
    let there = if place.is_empty() {
        command.replace("cd /lib/", &format!("cd {root}/lib/"))
    } else {
        command.replace(place, &root)
    };
    let mut terminal = Command::new("unshare");
    let enter = "mount --bind \"$0\" /sys/module && exec \"$@\"";
    terminal.args(["--user", "--map-root-user", "--mount", "sh", "-c", enter]).arg(scratch.join("none"));
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
        let example =
            |command: &str, output: &str| Example { command: command.into(), output: vec![output.into()] };
        assert_eq!(examples(page), [example("cd /d && grep -x y", "z"), example("a", "b")]);
        assert_eq!(examples("```\n$ a\nb\n```\nc\n```\nd\n```\n"), [example("a", "b")]);
    }

    #[test]
    fn times_and_spaces_at_the_end_do_not_count() {
        assert_eq!(comparable("depmod: 3 modules in 0.10 s (scan 9 ms)"), "depmod: 3 modules");
        assert_eq!(comparable("not found in directory /x "), "not found in directory /x");
    }
}
