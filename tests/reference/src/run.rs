//! Running a program to its end within limits. A program that never ends, or prints for ever, is stopped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// What a program may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time.
    pub time: Duration,
    /// Bytes of each of standard output and standard error.
    pub output: usize,
}

impl Default for Limits {
    /// Far beyond what any run on a small tree needs.
    fn default() -> Self {
        Self { time: Duration::from_secs(60), output: 16 << 20 }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// Stopped, as it reached a limit.
    Stopped,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Standard output, cut at the limit; empty if it went elsewhere.
    pub stdout: Vec<u8>,
    /// Standard error, cut at the limit.
    pub stderr: Vec<u8>,
}

enum Event {
    Stdout(io::Result<Vec<u8>>),
    Stderr(io::Result<Vec<u8>>),
}

/// Runs `command` with an empty standard input and collects both outputs.
///
/// # Errors
/// If the program cannot be started or its output not be read.
pub fn run(mut command: Command, limits: &Limits) -> Result<Outcome> {
    command.stdout(Stdio::piped());
    run_with_stdout_set(command, limits)
}

/// As [`run`], with standard output wherever the caller has sent it.
///
/// # Errors
/// If the program cannot be started or its output not be read.
pub fn run_with_stdout_set(mut command: Command, limits: &Limits) -> Result<Outcome> {
    command.stderr(Stdio::piped());
    start(command, None, limits)
}

/// As [`run`], with a terminal for standard error: what is written there is kept as it was written.
///
/// # Errors
/// If there is no terminal to be had, too.
pub fn run_at_terminal(mut command: Command, limits: &Limits) -> Result<Outcome> {
    let (ours, theirs) = terminal().context("opening a terminal")?;
    command.stdout(Stdio::piped()).stderr(theirs);
    start(command, Some(ours), limits)
}

/// Both ends of a terminal that changes nothing of what is written to it.
fn terminal() -> io::Result<(File, File)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let path = ptsname(&ours, Vec::new())?;
    let theirs = File::options().read(true).write(true).open(OsStr::from_bytes(path.as_bytes()))?;
    let mut attributes = tcgetattr(&theirs)?;
    attributes.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &attributes)?;
    Ok((ours.into(), theirs))
}

fn start(mut command: Command, terminal: Option<File>, limits: &Limits) -> Result<Outcome> {
    command.stdin(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let (sender, events) = channel();
    let mut readers = 0;
    if let Some(pipe) = child.stdout.take() {
        collect(pipe, limits.output, sender.clone(), Event::Stdout);
        readers += 1;
    }
    // A terminal ends when nobody has its other end open any more.
    drop(command);
    if let Some(pipe) = child.stderr.take() {
        collect(pipe, limits.output, sender.clone(), Event::Stderr);
        readers += 1;
    }
    if let Some(terminal) = terminal {
        collect(Terminal(terminal), limits.output, sender.clone(), Event::Stderr);
        readers += 1;
    }
    drop(sender);
    finish(child, readers, &events, limits)
}

/// Our end of a terminal, on which reading fails where it would end elsewhere.
struct Terminal(File);

impl Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(0),
            read => read,
        }
    }
}

fn collect(
    pipe: impl Read + Send + 'static,
    limit: usize,
    sender: Sender<Event>,
    event: fn(io::Result<Vec<u8>>) -> Event,
) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(limit as u64).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody listens any more only if the run has failed already.
        let _ = sender.send(event(read));
    });
}

fn finish(mut child: Child, readers: usize, events: &Receiver<Event>, limits: &Limits) -> Result<Outcome> {
    let deadline = Instant::now() + limits.time;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut stopped = false;
    for _ in 0..readers {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = match events.recv_timeout(left) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => {
                stopped = true;
                child.kill()?;
                events.recv()?
            }
            Err(error @ RecvTimeoutError::Disconnected) => return Err(error.into()),
        };
        let bytes = match event {
            Event::Stdout(bytes) => {
                stdout = bytes?;
                &stdout
            }
            Event::Stderr(bytes) => {
                stderr = bytes?;
                &stderr
            }
        };
        if bytes.len() >= limits.output {
            stopped = true;
            child.kill()?;
        }
    }
    let status = child.wait()?;
    let ending = if stopped { Ending::Stopped } else { ending(status) };
    Ok(Outcome { ending, stdout, stderr })
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limits: &Limits) -> Outcome {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, limits).unwrap()
    }

    #[test]
    fn both_outputs_and_the_status_are_kept_apart() {
        let outcome = shell("echo out; echo err >&2; exit 3", &Limits::default());
        assert_eq!(outcome.ending, Ending::Exit(3));
        assert_eq!((&*outcome.stdout, &*outcome.stderr), (&b"out\n"[..], &b"err\n"[..]));
    }

    #[test]
    fn standard_error_may_be_a_terminal_that_keeps_what_is_written() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "test -t 2 && ! test -t 1 && echo out && printf 'a\\n\\033[mb\\n' >&2"]);
        let outcome = run_at_terminal(command, &Limits::default()).unwrap();
        assert_eq!(outcome.ending, Ending::Exit(0));
        assert_eq!((&*outcome.stdout, &*outcome.stderr), (&b"out\n"[..], &b"a\n\x1b[mb\n"[..]));
    }

    #[test]
    fn a_program_that_prints_for_ever_is_stopped_at_the_limit() {
        let limits = Limits { output: 1000, ..Limits::default() };
        let outcome = shell("while :; do echo x >&2; done", &limits);
        assert_eq!(outcome.ending, Ending::Stopped);
        assert_eq!(outcome.stderr.len(), 1000);
    }

    #[test]
    fn a_program_that_never_ends_is_stopped_in_time() {
        let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
        assert_eq!(shell("exec tail -f /dev/null", &limits).ending, Ending::Stopped);
    }
}
