//! A disk that fails while a tool reads its configuration: the reason is said in the words of the project's table, by
//! every tool and in every build. The C libraries word it differently, and Rust appends the error's number.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::world::{Build, Root, make_database, modules};

/// A tool's words, the file of its configuration, and how grave it is that this cannot be read.
const RUNS: [(&str, &[&str], &str, &str); 4] = [
    ("depmod", &["-n"], "/etc/depmod.d/x.conf", "ERROR"),
    ("modprobe", &["-n", "top"], "/etc/modprobe.d/x.conf", "WARNING"),
    ("modprobe", &["--show-settings", "top"], "/etc/modutils.d/x.conf", "ERROR"),
    ("rmmod", &["top"], "/etc/modutils.d/x.conf", "ERROR"),
];

/// Every check: its name, and how it ended.
pub fn checks(name: &str, build: Build<'_>) -> Vec<(String, Result<()>)> {
    RUNS.iter()
        .map(|(tool, words, file, gravity)| {
            let check = || {
                let said = run(&root(build, file)?, tool, words, file)?;
                says_why(&said, &format!("{tool}: {gravity}: file parse {file}: Input/output error"))
            };
            (format!("faults/{name}-{tool}-cannot-read{}", file.replace('/', "-")), check())
        })
        .collect()
}

fn root(build: Build<'_>, file: &str) -> Result<Root> {
    let root = Root::new(build, &modules()?.directory("/dev"))?;
    root.write("/dev/null", "")?;
    make_database(&root, build)?;
    root.write(file, "# nothing\n")?;
    root.write("/sys/module/top/initstate", "live\n")?;
    root.write("/sys/module/top/refcnt", "0\n")?;
    Ok(root)
}

/// What the tool says where every read of the file fails with EIO.
fn run(root: &Root, tool: &str, words: &[&str], file: &str) -> Result<String> {
    let output = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-P"])
        .arg(root.at(file))
        .args(["-e", "inject=read,pread64,readv:error=EIO", "unshare", "-Ur", "-R"])
        .arg(root.path())
        .arg(Path::new("/sbin").join(tool))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .context("cannot start strace")?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn says_why(said: &str, expected: &str) -> Result<()> {
    ensure!(said.lines().any(|line| line == expected), "expected '{expected}', and it said:\n{said}");
    ensure!(!said.contains("os error"), "a number of an error is shown:\n{said}");
    Ok(())
}
