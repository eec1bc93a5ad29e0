//! The system calls of a run, as strace shows them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is how a test speaks")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{DEPMOD, arguments};

/// A system call of a run.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    /// Counted from 1 among the calls of this name.
    pub ordinal: usize,
    /// As strace shows it.
    pub text: String,
}

/// Runs depmod under strace, with further options for strace, and returns depmod's output and the trace.
pub fn trace(root: &Path, strace: &[String], options: &[&str]) -> (Output, String) {
    let log = root.with_extension("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-ttt", "-s", "300", "-o"]).arg(&log).args(strace).arg(DEPMOD);
    arguments(&mut command, root, options);
    let output = command.output().unwrap();
    (output, String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned())
}

/// The calls of a trace, which must be of one thread.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut ordinals: HashMap<String, usize> = HashMap::new();
    let mut threads: Vec<&str> = trace.lines().filter_map(|line| line.split(' ').next()).collect();
    threads.dedup();
    assert_eq!(threads.len(), 1, "more than one thread:\n{trace}");
    let mut calls = Vec::new();
    for line in trace.lines() {
        // Process and time stand before it, in columns.
        let text = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || " .".contains(letter));
        let Some((name, _)) = text.split_once('(') else { continue };
        let ordinal = ordinals.entry(name.to_owned()).or_default();
        *ordinal += 1;
        calls.push(Call { name: name.to_owned(), ordinal: *ordinal, text: text.to_owned() });
    }
    calls
}

/// The calls of a run from the first look at the tree on. Calls that cannot fail, and those of memory and of a
/// debugging build's checks, are left out.
pub fn working(calls: &[Call]) -> Vec<Call> {
    const OTHER: [&str; 15] = [
        "prlimit64",
        "munmap",
        "mmap",
        "brk",
        "mremap",
        "madvise",
        "mprotect",
        "exit_group",
        "sigaltstack",
        "rt_sigaction",
        "rt_sigprocmask",
        "getpid",
        "geteuid",
        "getrandom",
        "fcntl",
    ];
    let start = calls.iter().position(|call| call.text.contains("lib/modules")).expect("the tree is opened");
    let work = calls.iter().skip(start);
    work.filter(|call| !OTHER.contains(&call.name.as_str())).cloned().collect()
}

/// Those from the first file of this run on.
pub fn publishing(calls: &[Call]) -> Vec<Call> {
    let calls = working(calls);
    let start = calls.iter().position(|call| call.text.contains("O_CREAT")).expect("files are made");
    calls.into_iter().skip(start).collect()
}

/// A file gets its name.
pub fn is_rename(call: &Call) -> bool {
    call.name.starts_with("rename")
}

/// Locks, the search for what killed runs left, looks at what is there already, and what only a cache wants to know.
pub fn can_be_done_without(call: &Call) -> bool {
    match call.name.as_str() {
        "fadvise64" | "flock" | "getdents64" | "fstat" | "newfstatat" | "statx" | "pread64" | "unlinkat"
        | "statfs" | "fstatfs" => true,
        "openat2" => call.text.contains(".ko\"") && call.text.contains("O_PATH"),
        "openat" => !call.text.contains("O_CREAT"),
        _ => false,
    }
}

/// A module's file, which can be left out, or a file by which the way to it is found.
pub fn is_of_a_module(calls: &[Call], place: usize) -> bool {
    let opened = calls.iter().take(place + 1).rfind(|call| call.name.starts_with("open"));
    opened.is_some_and(|call| call.text.contains(".ko") || call.text.contains("O_PATH"))
        && calls.get(place).is_some_and(|call| {
            call.name.starts_with("open") || ["statx", "pread64"].contains(&call.name.as_str())
        })
}
