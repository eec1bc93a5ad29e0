//! A second network namespace: the other end of a wire.
//!
//! A thread of this process lives in it. What the thread starts lives there too, and the kernel finds the
//! namespace by the thread's number when an interface is to be moved there. It ends with the value.

use std::sync::mpsc::{Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};

use crate::netlink;
use crate::program::{run, shell};
use crate::scenarios::PATIENCE;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of its own.
pub struct Neighbour {
    thread: i32,
    jobs: Option<Sender<Job>>,
    ended: Option<JoinHandle<()>>,
}

impl Neighbour {
    /// A namespace that has nothing but a loopback interface, which is down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self> {
        let (jobs, todo) = channel::<Job>();
        let (told, born) = channel();
        let ended = spawn(move || {
            let begun = unshare(CloneFlags::CLONE_NEWNET).map(|()| nix::unistd::gettid().as_raw());
            // Whoever does not listen any more needs nothing.
            let _ = told.send(begun);
            todo.into_iter().for_each(|job| job());
        });
        let thread = born.recv().context("the thread of the namespace")??;
        Ok(Self { thread, jobs: Some(jobs), ended: Some(ended) })
    }

    /// What stands for the namespace where a process is asked for.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.thread
    }

    /// Does something there and gives what came of it.
    ///
    /// # Errors
    /// When it panicked.
    pub fn there<T: Send + 'static>(&self, action: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, receiver) = channel();
        let job = Box::new(move || drop(sender.send(action())));
        let jobs = self.jobs.as_ref().context("the namespace has ended")?;
        jobs.send(job).map_err(|_| anyhow!("the thread of the namespace has ended"))?;
        receiver.recv().context("the thread of the namespace panicked")
    }

    /// Runs lines of shell there.
    ///
    /// # Errors
    /// As [`shell`].
    pub fn shell(&self, script: &str) -> Result<String> {
        let script = script.to_owned();
        self.there(move || shell(&script))?
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.ended.take() {
            // What it did was told by each job.
            let _ = thread.join();
        }
    }
}

/// A pair of interfaces, `here` in this namespace and the other one, called `there`, in the neighbour's; both are
/// up.
///
/// # Errors
/// When a command fails.
pub fn wire(neighbour: &Neighbour, here: &str, there: &str) -> Result<()> {
    netlink::create_pair(here, there).context("the wire")?;
    shell(&format!("ip link set {there} netns {}; ip link set {here} up", neighbour.number()))?;
    neighbour.shell(&format!("ip link set {there} up"))?;
    Ok(())
}

/// Fails unless an answer comes from this address. The first questions may be lost: a link needs its time.
///
/// # Errors
/// Shows what the last ping said.
pub fn answers(address: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = run("/bin/sh", &["-c", &format!("ping -c 1 -W 2 {address}")])?;
        if ended.code == Some(0) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "ping {address}: {ended:?}");
    }
}
