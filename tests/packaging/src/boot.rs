//! Boots what a scenario made: `kernel` with `initrd`, to a root file system on the disk `root`.
//!
//! The program that the root file system starts reports over the second serial port, its last line is `finished`,
//! and it ends the machine. Anything else that happens, silence too, is a failure.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How long emulated processors may take, in seconds, before the machine is ended.
const LIMIT: &str = "900";

/// What shows the way to the root file system, and the console.
const ARGUMENTS: &str = "root=/dev/vda rootfstype=ext4 rw init=/init panic=-1 console=ttyS0 loglevel=6 mitigations=off \
    no_timer_check cryptomgr.notests random.trust_cpu=on";

/// How much of the console is shown after a failure, in lines.
const LAST_LINES: usize = 60;

/// Boots the machine whose parts lie in a directory.
pub fn boot(directory: &Path) -> Result<()> {
    let (console, report) = (directory.join("console"), directory.join("report"));
    // Emulator and limit die with the process that waits for them.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "timeout", "--signal=KILL", LIMIT]);
    command.args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args(["-M", "pc", "-m", "1024", "-smp", "2", "-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none"]);
    command.arg("-serial").arg(prefixed("file:", &console));
    command.arg("-serial").arg(prefixed("file:", &report));
    command.arg("-kernel").arg(directory.join("kernel"));
    command.arg("-initrd").arg(directory.join("initrd"));
    command.args(["-append", ARGUMENTS]);
    command.arg("-drive").arg(prefixed("if=virtio,format=raw,file=", &directory.join("root")));
    let output = command.output().context("cannot start setpriv")?;
    let said = fs::read_to_string(&report).unwrap_or_default();
    let finished = said.lines().last().is_some_and(|line| line.trim_end() == "finished");
    ensure!(
        output.status.success() && finished,
        "the machine ended with {}; it reported:\n{said}\n{}\nthe console ends with:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        end_of(&console)
    );
    Ok(())
}

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(prefix);
    argument.push(path);
    argument
}

fn end_of(console: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n")
}
