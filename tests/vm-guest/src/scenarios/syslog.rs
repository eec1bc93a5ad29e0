//! `-s`, with every kind of daemon at the other end of `/dev/log`, played by the scenario.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use anyhow::{Context as _, Result, bail, ensure};

use super::{ends_in_time, expect_requests};
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::kernel_log::Tail;
use crate::program::{run, run_closed};
use crate::stand_in;
use crate::world::{MODPROBE, World};

/// Where syslog daemons listen.
const LOG: &str = "/dev/log";

/// See the module.
pub const GROUP: Group = Group::new(
    "syslog",
    &[
        Scenario::new("without-a-daemon-a-failure-keeps-its-status", &[], no_daemon),
        Scenario::new("without-a-daemon-a-request-costs-one-modprobe", &[], no_daemon_request),
        Scenario::new("a-listening-daemon-gets-the-message", &[], listening),
        Scenario::new("a-listening-daemon-gets-it-from-closed-descriptors", &[], listening_closed),
        Scenario::new("a-listening-daemon-gets-a-daemons-error", &[], facility),
        Scenario::new("a-success-sends-nothing", &["minix"], success),
        Scenario::new("an-unknown-request-sends-nothing", &[], quiet_request),
        Scenario::new("a-stale-socket-keeps-the-status", &[], stale),
        Scenario::new("a-stale-socket-costs-one-modprobe", &[], stale_request),
        Scenario::new("a-stale-socket-leaves-the-message-to-the-kernels-log", &[], stale_log).ours_only(),
        Scenario::new("a-daemon-that-never-reads-blocks-nobody", &[], never_reads).ours_only(),
        Scenario::new("a-daemon-that-never-reads-leaves-it-to-the-kernels-log", &[], never_reads_log)
            .ours_only(),
        Scenario::new("a-daemon-that-never-reads-costs-a-request-one-modprobe", &[], never_reads_request)
            .ours_only(),
    ],
);

/// A daemon that listens.
struct Daemon(UnixDatagram);

impl Daemon {
    fn listen() -> Result<Self> {
        let socket = UnixDatagram::bind(LOG).with_context(|| format!("cannot bind {LOG}"))?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Fills its queue, as if it had not read for long.
    fn overwhelm(&self) -> Result<()> {
        let sender = UnixDatagram::unbound()?;
        sender.set_nonblocking(true)?;
        for _ in 0..100_000 {
            match sender.send_to(b"<30>x", LOG) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                sent => drop(sent?),
            }
        }
        bail!("the queue has no end")
    }

    /// What has arrived.
    fn messages(&self) -> Result<Vec<String>> {
        let mut messages = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.0.recv(&mut buffer) {
                Ok(length) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    messages.push(String::from_utf8_lossy(message).into_owned());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(messages),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A socket in the file system that nobody listens on any more.
fn leave_stale_socket() -> Result<()> {
    Daemon::listen().map(drop)
}

fn fail_loudly() -> Result<()> {
    run(MODPROBE, &["-s", "nonesuch"])?.expect_code(1)
}

fn request_with_syslog(world: &World) -> Result<()> {
    world.kernel_starts(&stand_in::path(stand_in::SYSLOG)?)?;
    let mounted = expect_requests(&["fs-nonesuch"], || ends_in_time(|| ask::file_system("nonesuch")))??;
    ensure!(mounted.is_err());
    Ok(())
}

fn expect_message(messages: &[String]) -> Result<()> {
    let told = messages.iter().any(|text| text.contains("modprobe") && text.contains("nonesuch"));
    ensure!(told, "nobody was told of nonesuch: {messages:?}");
    Ok(())
}

fn no_daemon(_: &mut World) -> Result<()> {
    fail_loudly()
}

fn no_daemon_request(world: &mut World) -> Result<()> {
    request_with_syslog(world)
}

fn listening(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    fail_loudly()?;
    expect_message(&daemon.messages()?)
}

fn listening_closed(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    run_closed(MODPROBE, &["-s", "nonesuch"])?.expect_code(1)?;
    expect_message(&daemon.messages()?)
}

fn facility(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    fail_loudly()?;
    let messages = daemon.messages()?;
    // Facility daemon is 3; the severity is critical, 2, or error, 3.
    let right = |text: &String| text.starts_with("<26>") || text.starts_with("<27>");
    ensure!(messages.iter().all(right) && !messages.is_empty(), "{messages:?}");
    Ok(())
}

fn success(world: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    run(MODPROBE, &["-s", "minix"])?.expect_code(0)?;
    world.expect_loaded(&["minix"])?;
    let messages = daemon.messages()?;
    ensure!(messages.is_empty(), "{messages:?}");
    Ok(())
}

fn quiet_request(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    let _ = expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?;
    let messages = daemon.messages()?;
    ensure!(messages.is_empty(), "{messages:?}");
    Ok(())
}

fn stale(_: &mut World) -> Result<()> {
    leave_stale_socket()?;
    fail_loudly()
}

fn stale_request(world: &mut World) -> Result<()> {
    leave_stale_socket()?;
    request_with_syslog(world)
}

fn texts(log: &mut Tail) -> Result<Vec<String>> {
    Ok(log.records()?.into_iter().map(|(_, text)| text).collect())
}

fn stale_log(_: &mut World) -> Result<()> {
    leave_stale_socket()?;
    let mut log = Tail::new()?;
    fail_loudly()?;
    expect_message(&texts(&mut log)?)
}

fn never_reads(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    daemon.overwhelm()?;
    ends_in_time(fail_loudly)?
}

fn never_reads_log(_: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    daemon.overwhelm()?;
    let mut log = Tail::new()?;
    ends_in_time(fail_loudly)??;
    expect_message(&texts(&mut log)?)
}

fn never_reads_request(world: &mut World) -> Result<()> {
    let daemon = Daemon::listen()?;
    daemon.overwhelm()?;
    request_with_syslog(world)
}
