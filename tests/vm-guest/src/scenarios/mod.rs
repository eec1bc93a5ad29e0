//! What is to be shown on a real kernel, one file for each group, and the checks that they share.

pub mod autoload;
pub mod damage;
pub mod early;
pub mod load;
pub mod request;
pub mod storm;
pub mod syslog;

use anyhow::{Result, ensure};

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
    Ok(())
}
