//! Boots what a scenario made: `kernel` with `initrd`, to a root file system on the disk `root`.
//!
//! The program that the root file system starts reports over the second serial port, its last line is `finished`,
//! and it ends the machine. Anything else that happens, silence too, is a failure. A line `plug DEVICE` asks for a
//! device, in the emulator's words, that the machine gets while it runs. Where the last line is `again`, the machine is
//! started once more, with the kernel and the image that its disk has then: `/vmlinuz` and `/initrd.img`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// How long emulated processors may take for one boot, in seconds, before the machine is ended.
const LIMIT: &str = "3600";

/// What shows the way to the root file system, and the console.
const ARGUMENTS: &str = "root=/dev/vda rootfstype=ext4 rw init=/init panic=-1 console=ttyS0 loglevel=6 mitigations=off \
    no_timer_check cryptomgr.notests random.trust_cpu=on";

/// What has drivers as modules, besides the disk.
const DEVICES: [&str; 6] =
    ["-device", "virtio-rng-pci", "-device", "qemu-xhci", "-nic", "user,model=virtio-net-pci"];

/// The last line of a report: of all, or of one before another boot.
const FINISHED: &str = "\nfinished\n";
const AGAIN: &str = "\nagain\n";

/// How much of the console is shown after a failure, in lines.
const LAST_LINES: usize = 150;

/// Boots the machine whose parts lie in a directory, or each of those in directories below it: their reports are to
/// be the same.
pub fn boot(directory: &Path) -> Result<()> {
    if directory.join("kernel").is_file() {
        return run(directory).map(|_| ());
    }
    let mut machines: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory)? {
        machines.push(entry?.path());
    }
    machines.sort();
    let reports = machines.iter().map(|machine| run(machine)).collect::<Result<Vec<String>>>()?;
    let [first, others @ ..] = reports.as_slice() else { anyhow::bail!("the scenario left no machine") };
    for other in others {
        ensure!(other == first, "the machines report different things:\n{first}\nand\n{other}");
    }
    Ok(())
}

/// Boots one machine, as often as it wants; its report.
fn run(directory: &Path) -> Result<String> {
    let mut report = String::new();
    loop {
        report.push_str(&run_once(directory).with_context(|| format!("before that it reported:\n{report}"))?);
        if report.ends_with(FINISHED) {
            return Ok(report);
        }
        for (from, to) in [("/vmlinuz", "kernel"), ("/initrd.img", "initrd")] {
            extract(&directory.join("root"), from, &directory.join(to))?;
        }
    }
}

/// Copies a file out of a file system that nobody uses; links are followed.
fn extract(file_system: &Path, from: &str, to: &Path) -> Result<()> {
    let debugfs = |request: String| -> Result<String> {
        let output = Command::new("debugfs").arg("-R").arg(&request).arg(file_system).output();
        let output = output.context("cannot start debugfs, which is in package e2fsprogs")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let shown = debugfs(format!("stat {from}"))?;
    let link = shown.lines().find_map(|line| line.strip_prefix("Fast link dest: "));
    let file = link.map_or(from, |link| link.trim().trim_matches('"'));
    fs::write(to, "")?;
    debugfs(format!("dump {file} {}", to.display()))?;
    ensure!(fs::metadata(to)?.len() > 0, "{from} is not on the machine's disk, which says:\n{shown}");
    Ok(())
}

/// Boots one machine once; its report.
fn run_once(directory: &Path) -> Result<String> {
    let console = directory.join("console");
    let monitor = directory.join("monitor");
    let stick = directory.join("stick");
    File::create(&stick)?.set_len(8 << 20)?;
    // Emulator and limit die with the process that waits for them.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "timeout", "--signal=KILL", LIMIT]);
    command.args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args(["-M", "pc", "-m", "1024", "-smp", "2", "-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none"]);
    command.arg("-serial").arg(prefixed("file:", &console, ""));
    command.args(["-serial", "stdio"]);
    command.arg("-monitor").arg(prefixed("unix:", &monitor, ",server=on,wait=off"));
    command.arg("-kernel").arg(directory.join("kernel"));
    command.arg("-initrd").arg(directory.join("initrd"));
    command.args(["-append", ARGUMENTS]).args(DEVICES);
    command.arg("-drive").arg(prefixed("if=virtio,format=raw,file=", &directory.join("root"), ""));
    command.arg("-drive").arg(prefixed("if=none,id=stick,format=raw,file=", &stick, ""));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(directory.join("errors"))?)
        .spawn()
        .context("cannot start setpriv")?;
    let report = BufReader::new(child.stdout.take().context("no output to read")?);
    let mut said = String::new();
    for line in report.lines() {
        let line = line?;
        let line = line.trim_end();
        if let Some(device) = line.strip_prefix("plug ") {
            plug(&monitor, device)?;
        }
        said.push_str(line);
        said.push('\n');
    }
    let status = child.wait()?;
    ensure!(
        status.success() && (said.ends_with(FINISHED) || said.ends_with(AGAIN)),
        "the machine ended with {status}; it reported:\n{said}\n{}\nthe console ends with:\n{}",
        fs::read_to_string(directory.join("errors")).unwrap_or_default(),
        end_of(&console)
    );
    Ok(said)
}

/// Gives the machine a device. What the monitor answers is waited for: it has done so then.
fn plug(monitor: &Path, device: &str) -> Result<()> {
    let mut stream = UnixStream::connect(monitor).with_context(|| monitor.display().to_string())?;
    writeln!(stream, "device_add {device}")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // It ends when the command is carried out, or never: then the machine's limit ends it.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(!answer.contains("Error:"), "device_add {device}: {answer}");
    Ok(())
}

fn prefixed(prefix: &str, path: &Path, suffix: &str) -> OsString {
    let mut argument = OsString::from(prefix);
    argument.push(path);
    argument.push(suffix);
    argument
}

fn end_of(console: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n")
}
