//! Runs a tool in a root directory of its own, with descriptors 0 to 2 closed and the environment that the kernel
//! gives, and tells every system call that it made.
//!
//! A user namespace lets anybody enter the root; the tool is the same process, so that what is seen from its
//! first `execve` on is all its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// All that the kernel puts into the environment of what it calls.
const ENVIRONMENT: [&str; 3] = ["HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"];

/// How to start the tool: in the kernel's environment, in the root given, with nothing open.
const START: &str = r#"exec /usr/bin/env -i "$@" 0<&- 1>&- 2>&-"#;

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments as strace shows them.
    pub arguments: String,
    /// What it gave; `None` for one that does not come back.
    pub result: Option<i64>,
}

/// A run of a tool.
#[derive(Debug)]
pub struct Run {
    /// Its exit status, or the negative number of the signal that ended it.
    pub status: i32,
    /// Its calls, its own `execve` first.
    pub calls: Vec<Call>,
}

/// Runs `/sbin/TOOL` of a root directory.
///
/// # Errors
/// When strace or user namespaces are not to be had, or strace shows what is not understood.
pub fn run(root: &Path, tool: &str, words: &[&str]) -> Result<Run> {
    run_in(&["-Ur", "-R"], root, tool, words)
}

/// The same as a child of a process in another PID namespace, which the tool cannot see.
///
/// # Errors
/// As [`run`].
pub fn run_without_parent(root: &Path, tool: &str, words: &[&str]) -> Result<Run> {
    run_in(&["-Urpf", "-R"], root, tool, words)
}

/// Runs the tool in the namespaces that these options of unshare make.
fn run_in(namespaces: &[&str], root: &Path, tool: &str, words: &[&str]) -> Result<Run> {
    let directory = tempfile::tempdir()?;
    let list = directory.path().join("calls");
    let program = format!("/sbin/{tool}");
    let status = Command::new("strace")
        .args(["-f", "-s", "200", "-o"])
        .arg(&list)
        .args(["/bin/sh", "-c", START, "sh"])
        .args(ENVIRONMENT)
        .arg("unshare")
        .args(namespaces)
        .arg(root)
        .arg(&program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start strace")?;
    let text = fs::read(&list).context("strace left no list")?;
    let calls = parse(&String::from_utf8_lossy(&text), &program)?;
    ensure!(!calls.is_empty(), "{program} never started: user namespaces, strace and unshare are needed");
    let signal = || status.signal().map(|signal| -signal);
    let status = status.code().or_else(signal).context("no status")?;
    Ok(Run { status, calls })
}

/// The calls from the execution of `program` on. A call during which another thread made one stands in two pieces.
fn parse(text: &str, program: &str) -> Result<Vec<Call>> {
    let begins = format!("execve(\"{program}\"");
    let lines: Vec<_> = text.lines().map(thread_and_text).collect();
    let Some(start) = lines.iter().position(|(_, line)| line.starts_with(&begins)) else {
        return Ok(Vec::new());
    };
    let (before, lines) = lines.split_at(start);
    let tool = lines.first().map(|(thread, _)| *thread);
    // Whoever waits for the tool is not part of it.
    let others: BTreeSet<&str> =
        before.iter().map(|(thread, _)| *thread).filter(|thread| Some(*thread) != tool).collect();
    let mut calls = Vec::new();
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    for &(thread, line) in lines.iter().filter(|(thread, _)| !others.contains(thread)) {
        let whole = if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            begun.insert(thread, begin);
            continue;
        } else if let Some((_, end)) =
            line.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            format!("{}{end}", begun.remove(thread).context("the end of a call that never began")?)
        } else if line.starts_with("+++") || line.starts_with("---") {
            // A signal, or the end.
            continue;
        } else {
            line.to_owned()
        };
        calls.push(call(&whole).with_context(|| format!("strace said: {whole}"))?);
    }
    Ok(calls)
}

/// The number of the thread, and what it did.
fn thread_and_text(line: &str) -> (&str, &str) {
    let (thread, text) = line.split_once(' ').unwrap_or((line, ""));
    (thread, text.trim_start())
}

/// `NAME(ARGUMENTS) = RESULT`, with blanks before the `=`, and words after a result that is an error.
fn call(line: &str) -> Result<Call> {
    let (name, rest) = line.split_once('(').context("no arguments")?;
    let Some((arguments, result)) = rest.rsplit_once(" = ") else { bail!("no result") };
    let arguments = arguments.trim_end().strip_suffix(')').context("the arguments do not end")?;
    let result = result.split(' ').next().unwrap_or_default();
    let result = match result.strip_prefix("0x") {
        Some(digits) => Some(i64::from_str_radix(digits, 16)?),
        None if result == "?" => None,
        None => Some(result.parse()?),
    };
    Ok(Call { name: name.to_owned(), arguments: arguments.to_owned(), result })
}

impl Call {
    /// The first path among its arguments.
    pub fn path(&self) -> Option<&str> {
        self.arguments.split('"').nth(1)
    }

    /// Whether it names a file to open.
    pub fn opens(&self) -> bool {
        matches!(self.name.as_str(), "open" | "openat")
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}({})", self.name, self.arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_the_tools_own_start_on() {
        let text = "12 open(\"/etc/x\", O_RDONLY) = 3\n\
            12 execve(\"/sbin/t\", [\"/sbin/t\"], 0x7f /* 3 vars */) = 0\n\
            12 open(\"/dev/null\", O_RDWR|O_LARGEFILE) = -1 ENOENT (No such file or directory)\n\
            12 read(3, \"a = b)\", 9)                     = 6\n\
            12 mmap(NULL, 4096, PROT_READ,  <unfinished ...>\n\
            13 close(4)                          = 0\n\
            12 <... mmap resumed>MAP_PRIVATE, -1, 0) = 0x7f3467be7000\n\
            12 exit_group(1)                     = ?\n\
            12 +++ exited with 1 +++\n";
        let calls = parse(text, "/sbin/t").unwrap();
        let shown: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.result)).collect();
        assert_eq!(
            shown,
            [
                ("execve", Some(0)),
                ("open", Some(-1)),
                ("read", Some(6)),
                ("close", Some(0)),
                ("mmap", Some(0x7f34_67be_7000)),
                ("exit_group", None)
            ]
        );
        assert_eq!(calls[1].path(), Some("/dev/null"));
        assert!(calls[1].opens() && !calls[2].opens());
        assert_eq!(calls[4].arguments, "NULL, 4096, PROT_READ,  MAP_PRIVATE, -1, 0");
        assert!(parse("12 execve(\"/sbin/t\", []", "/sbin/t").is_err());
    }
}
