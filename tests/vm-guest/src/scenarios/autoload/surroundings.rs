//! Requests where something that a modprobe might count on is not there, or says something else.

use std::fs;

use anyhow::{Result, ensure};

use crate::ask;
use crate::kernel_log::Tail;
use crate::scenarios::expect_requests;
use crate::stand_in;
use crate::world::{Unmounted, WORK, World};

/// A request that is answered, and one whose failure makes the kernel try its second name.
fn both_kinds(world: &World) -> Result<()> {
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])?;
    let names = ["char-major-60-1", "char-major-60"];
    ensure!(expect_requests(&names, || ask::character_device(60, 1))?.is_err());
    Ok(())
}

/// What programs have written to the kernel's log.
pub(super) fn said(log: &mut Tail) -> Result<Vec<String>> {
    let records = log.records()?.into_iter().map(|(_, text)| text);
    Ok(records.filter(|text| text.contains("modprobe[")).collect())
}

pub(super) fn without_null(world: &mut World) -> Result<()> {
    let _null = Unmounted::node("/dev/null", 1, 3)?;
    both_kinds(world)
}

pub(super) fn without_proc(world: &mut World) -> Result<()> {
    let _proc = Unmounted::of("/proc")?;
    both_kinds(world)?;
    let _ = expect_requests(&["netdev--rminix", "-rminix"], || ask::interface("-rminix"))?;
    world.expect_loaded(&["minix"])
}

pub(super) fn without_run(world: &mut World) -> Result<()> {
    let mut log = Tail::new()?;
    let _run = Unmounted::of("/run")?;
    let _root = Unmounted::root_writing()?;
    ensure!(fs::create_dir_all("/run/modutils").is_err(), "there is still a place to write");
    both_kinds(world)?;
    let said = said(&mut log)?;
    ensure!(said.is_empty(), "{said:?}");
    Ok(())
}

pub(super) fn silence(world: &mut World) -> Result<()> {
    let mut log = Tail::new()?;
    both_kinds(world)?;
    for program in [stand_in::LINUX_2_4, stand_in::SYSLOG] {
        world.kernel_starts(&stand_in::path(program)?)?;
        ensure!(expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?.is_err());
    }
    let said = said(&mut log)?;
    // With -s and without -q it is told; in the kernel's own forms it is not.
    ensure!(said.len() == 1 && said.iter().all(|text| text.contains("fs-nonesuch")), "{said:?}");
    Ok(())
}

pub(super) fn options_variable(world: &mut World) -> Result<()> {
    world.kernel_starts(&stand_in::path(stand_in::WITH_OPTIONS)?)?;
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])
}

pub(super) fn command(world: &mut World) -> Result<()> {
    let proof = format!("{WORK}/install-command-ran");
    // The shell's own descriptors, as it got them: only what it starts has another standard output.
    let line = format!("install minix echo \"$PATH\" >{proof}; ls -1 /proc/$$/fd >>{proof}; true\n");
    world.configure("install", &line)?;
    let _ = crate::trace::watch(|| ask::file_system("minix"))?;
    let said = fs::read_to_string(&proof)?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.first().is_some_and(|path| path.contains("/sbin")), "no PATH: {said:?}");
    ensure!(["0", "1", "2"].iter().all(|number| lines.contains(number)), "{said:?}");
    Ok(())
}
