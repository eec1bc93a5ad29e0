//! Calls a tool by hand, with everything about its start said in one place.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::stand_in;
use crate::world::WORK;

/// The environment that the kernel gives to the programs which it starts.
pub const KERNEL_ENVIRONMENT: [(&str, &str); 3] =
    [("HOME", "/"), ("TERM", "linux"), ("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")];

/// How long a tool may run unless said otherwise; reached only by one that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How a tool ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status, or `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote on descriptor 1.
    pub stdout: String,
    /// What it wrote on descriptor 2.
    pub stderr: String,
}

impl Ended {
    /// Fails unless the tool ended with this status.
    ///
    /// # Errors
    /// Shows how it ended and what it said.
    pub fn expect_code(&self, code: i32) -> Result<()> {
        ensure!(self.code == Some(code), "expected status {code}: {self:?}");
        Ok(())
    }
}

/// Runs a tool as a person would, with the kernel's environment.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub fn run(program: &str, arguments: &[&str]) -> Result<Ended> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(&mut command)
}

/// Runs a tool as the kernel would: its environment and no open descriptor.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub fn run_closed(program: &str, arguments: &[&str]) -> Result<Ended> {
    let mut command = Command::new("/init");
    command.arg0(stand_in::CLOSED).arg(program).args(arguments);
    finish(&mut command)
}

/// Runs modprobe and fails unless it succeeds.
///
/// # Errors
/// Shows how it ended and what it said.
pub fn modprobe(arguments: &[&str]) -> Result<Ended> {
    let ended = run(crate::world::MODPROBE, arguments)?;
    ended.expect_code(0).with_context(|| format!("modprobe {}", arguments.join(" ")))?;
    Ok(ended)
}

/// Runs rmmod.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub fn rmmod(arguments: &[&str]) -> Result<Ended> {
    run("/sbin/rmmod", arguments)
}

/// Runs depmod and fails unless it succeeds.
///
/// # Errors
/// Shows how it ended and what it said.
pub fn depmod(arguments: &[&str]) -> Result<Ended> {
    let ended = run("/sbin/depmod", arguments)?;
    ended.expect_code(0).with_context(|| format!("depmod {}", arguments.join(" ")))?;
    Ok(ended)
}

/// Runs lines of shell, each of which must succeed, with the programs that the shell has built in; gives what
/// they wrote.
///
/// # Errors
/// Shows how it ended and what it said.
pub fn shell(script: &str) -> Result<String> {
    let ended = run("/bin/sh", &["-e", "-c", script])?;
    ended.expect_code(0).with_context(|| script.to_owned())?;
    Ok(ended.stdout)
}

fn finish(command: &mut Command) -> Result<Ended> {
    let directory = format!("{WORK}/program-{}-{:?}", std::process::id(), std::thread::current().id());
    fs::create_dir_all(&directory)?;
    let (out, err, nothing) =
        (format!("{directory}/out"), format!("{directory}/err"), format!("{directory}/in"));
    File::create(&nothing)?;
    command
        .env_clear()
        .envs(KERNEL_ENVIRONMENT)
        .stdin(File::open(&nothing)?)
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?);
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let status = wait(&mut child, LIMIT).with_context(|| format!("{command:?}"))?;
    let text = |path: &str| -> Result<String> { Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()) };
    Ok(Ended { code: status.code(), signal: status.signal(), stdout: text(&out)?, stderr: text(&err)? })
}

/// Waits until the process has ended; kills it when its time is up.
///
/// # Errors
/// When it did not end in time.
pub fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            bail!("did not end within {} s", limit.as_secs());
        }
        sleep(Duration::from_millis(1));
    }
}
