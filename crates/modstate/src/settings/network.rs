//! In which network namespace settings below `net/` are read and written: always the initial one. `/proc/sys/net` shows
//! each process its own, so a process elsewhere would save the values of a container as the machine's.
//!
//! The initial namespace is that of process 1, if `/proc` shows our own PID namespace and that is the initial one.
//! A process elsewhere enters it in a thread that does nothing else. Where that cannot be done, such settings are
//! neither read nor written, and nothing is concluded about them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::config::What;
use crate::places::Places;

/// The inode number of the initial PID namespace (`PROC_PID_INIT_INO` of include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// How to get at the initial network namespace.
#[derive(Debug)]
pub(super) enum Network {
    /// This process is in it, or there is no other.
    Here,
    /// It has to be entered.
    Elsewhere(OwnedFd),
    /// It cannot be reached.
    Unreachable,
}

impl Network {
    /// Finds it out.
    pub fn of(places: &Places) -> Self {
        let proc = &places.proc;
        let Ok(own) = rustix::fs::stat(proc.join("self/ns/net")) else {
            // A kernel without namespaces has only one.
            return if proc.join("self/ns").exists() { Self::Unreachable } else { Self::Here };
        };
        if !is_ours(proc) || !is_in_initial_pid_namespace(proc) {
            return Self::Unreachable;
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(initial) = rustix::fs::open(proc.join("1/ns/net"), flags, Mode::empty()) else {
            return Self::Unreachable;
        };
        match rustix::fs::fstat(&initial) {
            Ok(stat) if is_same(&stat, &own) => Self::Here,
            Ok(_) => Self::Elsewhere(initial),
            Err(_) => Self::Unreachable,
        }
    }

    /// The same, if the rules name a sysctl; it does not matter otherwise.
    pub fn of_rules(places: &Places, rules: &[&What]) -> Self {
        let has_sysctl = rules.iter().any(|rule| matches!(rule, What::Sysctl(_)));
        if has_sysctl { Self::of(places) } else { Self::Here }
    }

    /// Whether nothing can be done there.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable)
    }

    /// Does something in the initial network namespace; `None` if it cannot be reached.
    ///
    /// # Errors
    /// It is there and cannot be entered.
    pub fn run<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> io::Result<Option<T>> {
        let initial = match self {
            Self::Here => return Ok(Some(deed())),
            Self::Unreachable => return Ok(None),
            Self::Elsewhere(initial) => initial.as_fd(),
        };
        thread::scope(|scope| {
            let entered = move || -> io::Result<T> {
                move_into_link_name_space(initial, Some(LinkNameSpaceType::Network))?;
                Ok(deed())
            };
            let thread = thread::Builder::new().spawn_scoped(scope, entered)?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended early"))).map(Some)
        })
    }
}

/// Whether `/proc` is that of our own PID namespace.
fn is_ours(proc: &Path) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link(proc.join("self")).is_ok_and(|target| target.as_os_str() == own.as_str())
}

fn is_in_initial_pid_namespace(proc: &Path) -> bool {
    rustix::fs::stat(proc.join("self/ns/pid")).is_ok_and(|stat| stat.st_ino == INITIAL_PID_NAMESPACE)
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
