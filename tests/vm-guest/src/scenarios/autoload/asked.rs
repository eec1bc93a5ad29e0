//! `log-requests`: the kernel's log says who made the kernel ask, where that can be known.

use std::fs;
use std::thread::{sleep, spawn};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::surroundings::said;
use crate::ask;
use crate::kernel_log::Tail;
use crate::program::shell;
use crate::scenarios::{PATIENCE, expect_requests};
use crate::world::{PROC, Unmounted, WORK, World};

fn log_requests() -> Result<Tail> {
    fs::create_dir_all("/etc/modutils.d")?;
    fs::write("/etc/modutils.d/vm.conf", "log-requests\n")?;
    Tail::new()
}

fn expect_told(log: &mut Tail, sentence: &str) -> Result<()> {
    let said = said(log)?;
    ensure!(said.len() == 1 && said.iter().all(|text| text.contains(sentence)), "{sentence}: {said:?}");
    Ok(())
}

pub(super) fn one(world: &mut World) -> Result<()> {
    let mut log = log_requests()?;
    let name = fs::read_to_string(format!("{PROC}/self/comm"))?;
    let whom = format!("waiting: {:?} (pid {})", name.trim_end(), std::process::id());
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])?;
    expect_told(&mut log, &format!("asked for \"fs-minix\"; {whom}"))?;
    // What does not exist is logged all the same.
    ensure!(expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?.is_err());
    expect_told(&mut log, &format!("asked for \"fs-nonesuch\"; {whom}"))?;
    // A modprobe by hand is nobody's request.
    crate::program::modprobe(&["minix"])?;
    let said = said(&mut log)?;
    ensure!(said.is_empty(), "{said:?}");
    Ok(())
}

pub(super) fn several(world: &mut World) -> Result<()> {
    let (begun, gate) = (format!("{WORK}/begun"), format!("{WORK}/gate"));
    world.configure("wait", &format!("install minix echo >{begun}; cat {gate}; exit 1\n"))?;
    shell(&format!("mkfifo {gate}"))?;
    let waiting = spawn(|| ask::file_system("minix"));
    let deadline = Instant::now() + PATIENCE;
    while !std::path::Path::new(&begun).exists() {
        ensure!(Instant::now() < deadline, "the first request does not begin");
        sleep(std::time::Duration::from_millis(1));
    }
    let mut log = log_requests()?;
    let asked = ask::file_system("nonesuch");
    fs::write(&gate, "")?;
    let waited = waiting.join().map_err(|_| anyhow!("the waiting thread panicked"))?;
    ensure!(asked.is_err() && waited.is_err());
    expect_told(&mut log, "asked for \"fs-nonesuch\"; waiting: 2 processes")
}

pub(super) fn hidden(_: &mut World) -> Result<()> {
    let mut log = log_requests()?;
    let proc = Unmounted::of("/proc")?;
    let asked = expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?;
    ensure!(asked.is_err());
    drop(proc);
    expect_told(&mut log, "asked for \"fs-nonesuch\"; /proc does not show").context("without /proc")
}
