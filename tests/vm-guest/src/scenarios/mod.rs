//! What is to be shown on a real kernel, one file for each group, and the checks that they share.

pub mod autoclean;
pub mod autoload;
pub mod damage;
pub mod demo;
pub mod devices;
pub mod early;
pub mod forbid;
pub mod hooks;
pub mod load;
pub mod on_request;
mod patched;
pub mod persist;
pub mod races;
pub mod reasons;
pub mod request;
pub mod restore;
pub mod storm;
pub mod syslog;
pub mod xz;

use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::trace::{self, Seen};

/// Runs `action`, and fails unless the kernel made exactly these requests and each of them started exactly one
/// modprobe.
fn expect_requests<T>(names: &[&str], action: impl FnOnce() -> T) -> Result<T> {
    let (value, seen) = trace::watch(action)?;
    check_requests(names, &seen)?;
    Ok(value)
}

fn check_requests(names: &[&str], seen: &Seen) -> Result<()> {
    ensure!(seen.requests == names, "expected requests {names:?}, the kernel made {:?}", seen.requests);
    ensure!(
        seen.modprobes == names.len(),
        "expected {} modprobe processes, one for each of {names:?}, there were {}",
        names.len(),
        seen.modprobes
    );
    ensure!(seen.crashes.is_empty(), "crashed: {:?}", seen.crashes);
    Ok(())
}

/// How long a request or a tool may take before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `action` and fails if it does not end: a modprobe that hangs blocks whoever made the request. The init
/// kills what is left.
fn ends_in_time<T: Send + 'static>(action: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (sender, receiver) = channel();
    spawn(move || sender.send(action()));
    receiver.recv_timeout(PATIENCE).with_context(|| format!("no end within {} s", PATIENCE.as_secs()))
}
