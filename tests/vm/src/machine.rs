//! Boots one image in QEMU, listens to both serial ports, and ends the machine when it has been heard out, is in
//! trouble, or says nothing for too long.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Signal, set_parent_process_death_signal};
use vm_guest::catalog::Group;
use vm_guest::report::{self, Message};

use crate::console;

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";
/// The hidden first argument with which this program becomes the emulator.
const BECOME_QEMU: &str = "become-qemu";
/// Short kernel output, no waiting, and nothing done at boot that no scenario needs: self-tests of algorithms
/// and work-arounds for real processors and timers. A busy host may leave the machine without its processor for half a
/// minute, which is no trouble of the kernel's.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic rdinit=/init mitigations=off \
    nokaslr no_timer_check cryptomgr.notests random.trust_cpu=on trace_clock=local \
    rcupdate.rcu_cpu_stall_timeout=150 watchdog_thresh=60";
/// How long a kernel in trouble may go on to say what it is.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How many of the console's last lines are kept.
const CONSOLE_LINES: usize = 400;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the next sign of life.
    pub silence: Duration,
    /// For everything.
    pub total: Duration,
}

/// Why nothing more was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The guest said that it had done everything.
    Finished,
    /// The kernel said this.
    Trouble(String),
    /// Neither port said anything for so long.
    Silence(Duration),
    /// It took longer than it may.
    TooLong(Duration),
    /// The emulator stopped by itself, too early.
    Stopped,
    /// A report was damaged or lost.
    Damaged(String),
}

/// What was heard of one boot.
#[derive(Debug)]
pub struct Heard {
    /// The reports.
    pub messages: Vec<Message>,
    /// Why there are no more.
    pub ending: Ending,
    /// The last lines of the console.
    pub console: Vec<String>,
    /// From the start of the emulator to the first report.
    pub boot: Option<Duration>,
}

/// Becomes the emulator if the arguments say so. It dies with the harness, however that ends.
#[must_use]
pub fn become_qemu(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, role, rest @ ..] = arguments else { return None };
    if role != BECOME_QEMU {
        return None;
    }
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        return Some(ExitCode::FAILURE);
    }
    let error = Command::new(QEMU).args(rest).exec();
    crate::run::complain(
        &anyhow::Error::from(error)
            .context(format!("cannot start {QEMU}: install it (Debian: apt-get install qemu-system-x86)")),
    );
    Some(ExitCode::FAILURE)
}

/// Boots the kernel with the image and listens.
///
/// # Errors
/// When the emulator cannot be started or its ports not be read.
pub fn boot(kernel: &Path, image: &Path, group: &Group, limits: Limits) -> Result<Heard> {
    let directory = tempfile::tempdir()?;
    let port = directory.path().join("reports");
    let listener = UnixListener::bind(&port)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(BECOME_QEMU)
        .args(["-M", "pc", "-m", "768", "-smp", &group.processors.to_string()])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
        .args(["-chardev", &format!("socket,id=reports,path={}", port.display())])
        .args(["-serial", "chardev:reports"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(image)
        .args(["-append", &format!("{KERNEL_ARGUMENTS} {}", group.kernel_arguments)])
        .args(group.devices)
        .args(disk(directory.path(), group.disk_mib)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut machine = Machine(command.spawn().with_context(|| format!("cannot start {QEMU}"))?);
    let (sender, receiver) = channel();
    // The emulator's own complaints count as console text.
    let mut readers = Vec::new();
    if let Some(output) = machine.0.stdout.take() {
        readers.push(read_lines(output, sender.clone(), Port::Console));
    }
    if let Some(errors) = machine.0.stderr.take() {
        readers.push(read_lines(errors, sender.clone(), Port::Console));
    }
    listener.set_nonblocking(true)?;
    if let Some(stream) = accept(&listener, &mut machine, limits.silence)? {
        stream.set_nonblocking(false)?;
        readers.push(read_lines(stream, sender, Port::Report));
    } else {
        drop(sender);
    }
    let heard = listen(&receiver, started, limits);
    drop(machine);
    for reader in readers {
        // A reader ends with its port; it has nothing to say about how.
        let _ = reader.join();
    }
    Ok(heard)
}

/// The emulator's arguments for an empty disk of that size, whose file is in `directory`.
fn disk(directory: &Path, mebibytes: u32) -> Result<Vec<String>> {
    if mebibytes == 0 {
        return Ok(Vec::new());
    }
    let path = directory.join("disk");
    File::create(&path)?.set_len(u64::from(mebibytes) << 20)?;
    let drive = format!("if=none,id=disk,format=raw,cache=unsafe,file={}", path.display());
    let words = ["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    Ok(words.map(str::to_owned).to_vec())
}

/// A running emulator, which is ended when this goes.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the emulator connects its second port; gives `None` if it stops before.
fn accept(
    listener: &UnixListener,
    machine: &mut Machine,
    limit: Duration,
) -> Result<Option<std::os::unix::net::UnixStream>> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        match listener.accept() {
            Ok((stream, _)) => return Ok(Some(stream)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if machine.0.try_wait()?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}

/// Which port a line came from.
#[derive(Clone, Copy)]
enum Port {
    Console,
    Report,
}

fn read_lines(
    port: impl Read + Send + 'static,
    sender: Sender<(Port, String)>,
    from: Port,
) -> JoinHandle<()> {
    spawn(move || {
        let mut port = BufReader::new(port);
        let mut line = Vec::new();
        while port.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send((from, text)).is_err() {
                return;
            }
            line.clear();
        }
    })
}

fn listen(receiver: &Receiver<(Port, String)>, started: Instant, limits: Limits) -> Heard {
    let mut heard = Heard { messages: Vec::new(), ending: Ending::Stopped, console: Vec::new(), boot: None };
    let mut end = started + limits.total;
    let mut trouble = None;
    heard.ending = loop {
        let wait = limits.silence.min(end.saturating_duration_since(Instant::now()));
        match receiver.recv_timeout(wait) {
            Ok((Port::Console, line)) => {
                if trouble.is_none() && console::is_trouble(&line) {
                    trouble = Some(line.clone());
                    end = Instant::now() + LAST_WORDS;
                }
                if heard.console.len() == CONSOLE_LINES {
                    heard.console.remove(0);
                }
                heard.console.push(line);
            }
            Ok((Port::Report, line)) => match report::decode(&line) {
                Some((sequence, message)) if usize::try_from(sequence) == Ok(heard.messages.len()) => {
                    heard.boot.get_or_insert_with(|| started.elapsed());
                    let finished = message == Message::Finished;
                    heard.messages.push(message);
                    if finished && trouble.is_none() {
                        break Ending::Finished;
                    }
                }
                _ => break Ending::Damaged(line),
            },
            Err(RecvTimeoutError::Disconnected) => break Ending::Stopped,
            Err(RecvTimeoutError::Timeout) if Instant::now() >= end => break Ending::TooLong(limits.total),
            Err(RecvTimeoutError::Timeout) => break Ending::Silence(limits.silence),
        }
    };
    if let Some(line) = trouble {
        heard.ending = Ending::Trouble(line);
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { silence: Duration::ZERO, total: Duration::from_secs(3600) }
    }

    fn hear(lines: &[(Port, String)], stop: bool) -> Heard {
        let (sender, receiver) = channel();
        for line in lines {
            sender.send(line.clone()).unwrap();
        }
        let kept = (!stop).then_some(sender);
        let heard = listen(&receiver, Instant::now(), limits());
        drop(kept);
        heard
    }

    fn report(sequence: u32, message: &Message) -> (Port, String) {
        (Port::Report, report::encode(sequence, message))
    }

    fn begun() -> Message {
        Message::Begun { scenario: "a/b".into() }
    }

    #[test]
    fn a_guest_that_says_so_is_finished() {
        let heard = hear(&[report(0, &begun()), report(1, &Message::Finished)], false);
        assert_eq!(heard.ending, Ending::Finished);
        assert_eq!(heard.messages, [begun(), Message::Finished]);
    }

    #[test]
    fn silence_and_an_early_stop_are_told_apart() {
        assert_eq!(hear(&[report(0, &begun())], false).ending, Ending::Silence(Duration::ZERO));
        assert_eq!(hear(&[report(0, &begun())], true).ending, Ending::Stopped);
    }

    #[test]
    fn trouble_counts_even_if_the_guest_goes_on() {
        let line = "[    1.0] BUG: kernel NULL pointer dereference".to_owned();
        let lines = [report(0, &begun()), (Port::Console, line.clone()), report(1, &Message::Finished)];
        assert_eq!(hear(&lines, true).ending, Ending::Trouble(line));
    }

    #[test]
    fn a_lost_or_damaged_report_is_noticed() {
        let lost = hear(&[report(0, &begun()), report(2, &Message::Finished)], false);
        assert!(matches!(lost.ending, Ending::Damaged(_)), "{:?}", lost.ending);
        let text = (Port::Report, "[    1.0] kernel text".to_owned());
        assert!(matches!(hear(&[text], false).ending, Ending::Damaged(_)));
    }
}
