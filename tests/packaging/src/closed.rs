//! The shipped programs, started as the kernel starts modprobe: descriptors 0, 1 and 2 are closed, and there is
//! not even a `/dev/null`. A program that is not prepared for this ends in silence before it does anything.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fixtures::{Module, Tree};

const RELEASE: &str = "6.1.0-test";

/// Each tool does its work, or fails as it should.
pub fn tools_work(directory: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let root = root.path();
    let small = Module::new("small").alias("fs-small").need("journal_start");
    let tree = Tree::new(RELEASE).with_build_files().module("kernel/small.ko", small);
    let modules =
        tree.module("kernel/journal.ko", Module::new("journal").export("journal_start", 7)).write(root)?;
    for tool in suite::TOOLS {
        let program = directory.join(tool);
        fs::copy(&program, root.join(tool)).with_context(|| program.display().to_string())?;
    }
    expect(root, &format!("/depmod {RELEASE}"), 0)?;
    let text = fs::read_to_string(modules.join("modules.dep")).context("depmod wrote nothing")?;
    ensure!(text.contains("kernel/small.ko: kernel/journal.ko\n"), "modules.dep holds:\n{text}");
    for (command, code) in [
        ("/modprobe -S 6.1.0-test -n fs-small", 0),
        ("/modprobe -S 6.1.0-test -n nothing-of-that-name", 1),
        ("/modprobe -q -- fs-nothing", 1),
        ("/modprobe --version", 0),
        ("/rmmod nothing-of-that-name", 1),
    ] {
        expect(root, command, code)?;
    }
    Ok(())
}

/// Runs a command below `root` with nothing open.
fn expect(root: &Path, command: &str, code: i32) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec chroot \"$0\" {command} 0<&- 1>&- 2>&-")).arg(root);
    let status = shell.status().context("cannot start sh")?;
    ensure!(status.code() == Some(code), "{command}: {status} where {code} is expected");
    Ok(())
}
