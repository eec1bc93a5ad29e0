//! Running a case's command lines with one program, and all that could be seen of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use reference::{Ending, Limits, Outcome, Program, run, run_at_terminal, run_with_stdout_set};

use crate::case::{self, Case, Run};
use crate::neutral::{self, replace};
use crate::snapshot::{self, Changes, Snapshot};
use crate::subjects::Subjects;

/// What one command line did. The root directory reads `{root}` everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// How it ended.
    pub ending: Ending,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// What is new, changed or gone below the root.
    pub changes: Changes,
}

/// A run of a small case takes milliseconds; one that is stopped is one that never ends.
const LIMITS: Limits = Limits { time: Duration::from_secs(5), output: 1 << 20 };

/// The search path of all programs; in a root directory of its own, ours is found by its name.
const PATH: &str = "/tools:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes the case's tree to `root`, which must not exist, and runs its command lines there.
pub fn observe(case: &Case, subjects: &Subjects, program: &Program, root: &Path) -> Result<Vec<Observation>> {
    case.tree.write(root).with_context(|| format!("writing the tree of {}", case.name))?;
    if case.inside {
        std::fs::create_dir(root.join(TOOLS))?;
    }
    if case.database {
        subjects.build_database(root, case.tree.version())?;
    }
    case.later.apply(root).with_context(|| format!("changing the tree of {}", case.name))?;
    let mut before = snapshot::take(root)?;
    let mut observations = Vec::new();
    for line in &case.runs {
        let command = match (case.inside, case.descriptors) {
            (true, _) => inside(case, subjects, program, root),
            (false, Some(limit)) => limited(program, limit),
            (false, None) => program.command(),
        };
        let mut command = answered(command, &case.answers);
        let inner_root = if case.inside { Path::new("") } else { root };
        command.args(line.words.iter().flat_map(|word| expand(word, inner_root, case, program.tool())));
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
        command.envs(case.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(root.join(&case.cwd));
        let outcome = start(command, case, line)?;
        observations.push(seen(outcome, root, &mut before)?);
    }
    Ok(observations)
}

/// Runs one command line on a root directory that is there already.
pub fn observe_once(mut command: Command, root: &Path, limits: &Limits) -> Result<Observation> {
    let mut before = snapshot::take(root)?;
    command.env_clear().env("LC_ALL", "C").current_dir(root);
    let outcome = run(command, limits)?;
    seen(outcome, root, &mut before)
}

/// What there is to be seen after a run; `before` becomes the state after it.
fn seen(outcome: Outcome, root: &Path, before: &mut Snapshot) -> Result<Observation> {
    let after = snapshot::take(root)?;
    let changes = snapshot::changes(before, after.clone());
    *before = after;
    let running = case::running()?;
    Ok(Observation {
        ending: outcome.ending,
        stdout: neutral::output(&outcome.stdout, root, &running),
        stderr: neutral::output(&outcome.stderr, root, &running),
        changes: neutral::changes(changes, root),
    })
}

fn start(mut command: Command, case: &Case, line: &Run) -> Result<Outcome> {
    match &line.stdout {
        None if case.terminal => run_at_terminal(command, &LIMITS),
        None => run(command, &LIMITS),
        Some(path) => {
            let file = File::options().write(true).open(path).with_context(|| path.clone())?;
            command.stdout(Stdio::from(file));
            run_with_stdout_set(command, &LIMITS)
        }
    }
}

/// The program with a limit of open files, and with none open but the standard three: what whoever called the
/// comparison left open would count as well, and the program would reach the limit elsewhere.
fn limited(program: &Program, descriptors: u32) -> Command {
    const SCRIPT: &str = r#"
        for open in /proc/$$/fd/*; do
            number=${open##*/}
            if (( number > 2 )); then exec {number}>&-; fi
        done
        ulimit -n "$1"
        shift
        exec "$@"
    "#;
    let mut command = Command::new("bash");
    command.args(["-euc", SCRIPT, "bash"]).arg(descriptors.to_string()).args(program.words());
    command
}

/// The command with a kernel that gives these answers.
fn answered(command: Command, answers: &[String]) -> Command {
    if answers.is_empty() {
        return command;
    }
    let mut traced = Command::new("strace");
    let calls: Vec<&str> = answers.iter().filter_map(|answer| answer.split(':').next()).collect();
    traced.args(["--follow-forks", "--seccomp-bpf", "--quiet=all", "--output=/dev/null", "-e"]);
    traced.arg(format!("trace={}", calls.join(",")));
    for answer in answers {
        traced.args(["-e", &format!("inject={answer}")]);
    }
    traced.arg(command.get_program()).args(command.get_args());
    traced
}

/// Where a program's own files appear in a root directory that has become `/`.
const TOOLS: &str = "tools";

/// The program with `root` as its root directory, in a mount namespace of its own.
fn inside(case: &Case, subjects: &Subjects, program: &Program, root: &Path) -> Command {
    const SCRIPT: &str = r#"
        root=$1 tools=$2 shell=$3 directory=$4
        shift 4
        mount --rbind "$tools" "$root/tools"
        if [ -e "$root/dev/null" ]; then mount --bind /dev/null "$root/dev/null"; fi
        if [ -n "$shell" ]; then mount --bind "$shell" "$root/bin/sh"; fi
        exec unshare --root="$root" --wd="$directory" "$@"
    "#;
    let directory = program.directory();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]);
    command.arg(root).arg(directory);
    command.arg(if case.shell { subjects.shell.as_os_str() } else { OsStr::new("") });
    command.arg(Path::new("/").join(&case.cwd));
    let words = program.words();
    if words.len() == 1 {
        // By its name alone, which is then also its argument 0.
        command.arg(program.tool());
        return command;
    }
    for word in words {
        let there = Path::new("/").join(TOOLS);
        let word = replace(word.as_bytes(), directory.as_os_str().as_bytes(), there.as_os_str().as_bytes());
        command.arg(OsString::from_vec(word));
    }
    command
}

fn expand(word: &[u8], root: &Path, case: &Case, tool: &str) -> Vec<OsString> {
    if word == b"{base}" && tool == "modprobe" {
        return vec!["-S".into(), case.tree.version().into()];
    }
    if word == b"{base}" {
        let config = root.join("etc/depmod.d");
        return vec!["-b".into(), root.into(), "-C".into(), config.into()];
    }
    let directory = case.tree.directory_in(if case.inside { Path::new("/") } else { root });
    let mut text = word.to_vec();
    for (name, value) in [
        (&b"{root}"[..], root.as_os_str()),
        (b"{dir}", directory.as_os_str()),
        (b"{version}", OsStr::new(case.tree.version())),
    ] {
        text = replace(&text, name, value.as_bytes());
    }
    vec![OsString::from_vec(text)]
}
