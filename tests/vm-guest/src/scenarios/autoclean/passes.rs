//! The passes themselves: when, of what, how many at once, and what is seen of them.

use std::fs;
use std::path::Path;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::net::SocketType;

use super::{goes, is_recorded, on_demand, pass, without_interval};
use crate::ask;
use crate::kernel_log::Tail;
use crate::program::rmmod;
use crate::scenarios::PATIENCE;
use crate::slow::SlowReader;
use crate::trace;
use crate::world::{PROC, SYS, WORK, World, long_ago};

pub(super) fn before_the_interval(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    for _ in 0..3 {
        pass()?;
    }
    world.expect_loaded(&["minix"])
}

pub(super) fn reload(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    pass()?;
    rmmod(&["minix"])?.expect_code(0)?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    pass()?;
    world.expect_loaded(&["minix"]).context("the first pass after the new load")?;
    pass()?;
    world.expect_absent(&["minix"])
}

pub(super) fn dry_run(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    pass()?;
    let ended = rmmod(&["-a", "-n"])?;
    ended.expect_code(0)?;
    ensure!(ended.stdout.contains("minix") && ended.stdout.contains("goes now"), "{ended:?}");
    let ended = rmmod(&["-a", "-n", "--json"])?;
    ended.expect_code(0)?;
    ensure!(ended.stdout.contains("\"module\":\"minix\"") && ended.stdout.contains("\"goes\""), "{ended:?}");
    world.expect_loaded(&["minix"])
}

pub(super) fn names(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    let _ = on_demand(|| ask::file_system("efs"))?;
    pass()?;
    rmmod(&["-a", "minix"])?.expect_code(0)?;
    world.expect_absent(&["minix"])?;
    world.expect_loaded(&["efs"])?;
    pass()?;
    world.expect_absent(&["efs"])
}

pub(super) fn remove_command(world: &mut World) -> Result<()> {
    let proof = format!("{WORK}/removed");
    world
        .configure("remove", &format!("remove minix echo $MODPROBE_MODULE >{proof}; /sbin/rmmod minix\n"))?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    goes(world, &["minix"])?;
    let said = fs::read_to_string(&proof).context("the command did not run")?;
    ensure!(said == "minix\n", "the command saw MODPROBE_MODULE={said:?}");
    // One that leaves the module where it is decides so.
    world.configure("remove", "remove minix true\n")?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    pass()?;
    pass()?;
    world.expect_loaded(&["minix"])?;
    ensure!(is_recorded("minix")?, "the record is gone");
    // One that fails is told.
    world.configure("remove", "remove minix exit 3\n")?;
    pass()?;
    let ended = rmmod(&["-a"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("minix") && ended.stderr.contains("status 3"), "{ended:?}");
    world.expect_loaded(&["minix"])
}

pub(super) fn logged(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    let mut log = Tail::new()?;
    for _ in 0..2 {
        long_ago()?;
        let ended = rmmod(&["-a", "-s"])?;
        ended.expect_code(0)?;
        ensure!(ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    }
    world.expect_absent(&["minix"])?;
    let told: Vec<_> = log.records()?.into_iter().filter(|(_, text)| text.contains("rmmod[")).collect();
    ensure!(told.len() == 1, "expected one record: {told:?}");
    // Facility daemon, information.
    let right = |(priority, text): &(u32, String)| {
        *priority == 30 && text.contains("minix") && text.contains("fs-minix")
    };
    ensure!(told.iter().all(right), "{told:?}");
    Ok(())
}

pub(super) fn two_at_once(world: &mut World) -> Result<()> {
    without_interval()?;
    let (begun, gate) = (format!("{WORK}/begun"), format!("{WORK}/gate"));
    world.configure("remove", &format!("remove minix echo >{begun}; cat {gate}; /sbin/rmmod minix\n"))?;
    crate::program::shell(&format!("mkfifo {gate}"))?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    pass()?;
    let first = spawn(pass);
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(&begun).exists() {
        ensure!(Instant::now() < deadline, "the first pass does not begin to remove");
        sleep(Duration::from_millis(1));
    }
    // The first one waits in the command, with its lock held.
    pass().context("the second pass")?;
    ensure!(!first.is_finished(), "the first pass ended before its command did");
    world.expect_loaded(&["minix"])?;
    fs::write(&gate, "")?;
    first.join().map_err(|_| anyhow!("the first pass panicked"))??;
    world.expect_absent(&["minix"])
}

pub(super) fn asked_for(world: &mut World) -> Result<()> {
    without_interval()?;
    let silent_pass = || rmmod(&["-a"])?.expect_code(0);
    let _ = on_demand(|| ask::file_system("minix"))?;
    for _ in 0..3 {
        silent_pass()?;
    }
    world.expect_loaded(&["minix"]).context("after it came in")?;
    pass()?;
    // The kernel asks again, and the module is there.
    let record = fs::metadata(super::record_of("minix"))?.modified()?;
    ensure!(ask::interface("minix").is_err());
    ensure!(fs::metadata(super::record_of("minix"))?.modified()? != record, "nobody left word");
    silent_pass()?;
    world.expect_loaded(&["minix"]).context("after somebody asked")?;
    goes(world, &["minix"])
}

/// Every round a pass is about to unload the family and its protocols while somebody asks for one of them: at any
/// time, or in the moment in which one of them begins to go.
pub(in crate::scenarios) fn requests_beside(world: &mut World, rounds: u64) -> Result<()> {
    without_interval()?;
    let (mut failures, mut refused, mut late) = (0, 0, 0);
    for round in 0..rounds {
        // Protocol 1 is can-raw.
        let _ = ask::socket(ask::family::CAN, SocketType::RAW, 1);
        pass()?;
        long_ago()?;
        let pass = spawn(|| rmmod(&["-a"]));
        if round % 4 < 2 {
            sleep(Duration::from_millis(round * 7 % 120));
        } else {
            while !pass.is_finished() && !is_leaving("can_raw") {}
            sleep(Duration::from_millis(round / 4 * 3 % 20));
        }
        late += u64::from(is_leaving("can_raw"));
        let (failed, seen) = trace::watch(|| -> Result<bool> {
            Ok(match round % 2 {
                0 => ask::socket(ask::family::CAN, SocketType::RAW, 1).is_err(),
                _ => {
                    let ended = crate::program::run(crate::world::MODPROBE, &["can-bcm"])?;
                    ended.code != Some(0) || is_leaving("can_bcm")
                }
            })
        })?;
        match failed? {
            // The kernel said no by itself: the family was still registered while its module went.
            true if round % 2 == 0 && seen.requests.is_empty() => refused += 1,
            true => failures += 1,
            false => {}
        }
        pass.join().map_err(|_| anyhow!("the pass panicked"))??.expect_code(0)?;
        // What a person loaded goes, so that the next round begins like the first.
        for module in ["can-bcm", "can-raw", "can"] {
            rmmod(&[module])?;
        }
    }
    world.note(&format!(
        "{rounds} trials, {failures} failures; {late} came when a module was going or gone, {refused} were refused by \
         the kernel alone"
    ))?;
    ensure!(failures == 0, "{failures} of {rounds} went without");
    Ok(())
}

/// Whether a module is on its way out, or gone.
fn is_leaving(module: &str) -> bool {
    let state = Path::new(SYS).join("module").join(module).join("initstate");
    fs::read_to_string(state).map_or(true, |state| state.trim() != "live")
}

/// How long the module takes to go.
const SLOW: Duration = Duration::from_secs(3);

/// A pass unloads a module that takes seconds to go, and in the middle of that somebody asks for it: by its name, or
/// through the kernel.
pub(in crate::scenarios) fn slow_beside(world: &mut World, rounds: usize) -> Result<()> {
    without_interval()?;
    let (mut failures, mut removed, mut waited) = (0, Vec::new(), Vec::new());
    for round in 0..rounds {
        let _ = ask::socket(ask::family::CAN, SocketType::RAW, 7);
        world.expect_loaded(&["can"])?;
        pass()?;
        long_ago()?;
        let reader = SlowReader::of(&Path::new(PROC).join("net/can/stats"))?;
        let pass = spawn(|| -> Result<Duration> {
            let begun = Instant::now();
            rmmod(&["-a"])?.expect_code(0)?;
            Ok(begun.elapsed())
        });
        while !is_leaving("can") {
            ensure!(!pass.is_finished(), "round {round}: the pass did not unload it");
        }
        let end = spawn(move || {
            sleep(SLOW);
            drop(reader);
        });
        let begun = Instant::now();
        let failed = match round % 2 {
            0 => crate::program::run(crate::world::MODPROBE, &["can"])?.code != Some(0),
            // There is no such interface, but the kernel asks for it, and for a module of that name.
            _ => ask::interface("can").is_ok(),
        };
        waited.push(begun.elapsed().as_millis());
        failures += usize::from(failed || is_leaving("can"));
        end.join().map_err(|_| anyhow!("the end panicked"))?;
        removed.push(pass.join().map_err(|_| anyhow!("the pass panicked"))??);
        ensure!(!is_leaving("can"), "round {round}: it was unloaded after somebody had it");
        rmmod(&["can"])?.expect_code(0)?;
    }
    let millis: Vec<_> = removed.iter().map(Duration::as_millis).collect();
    world.note(&format!(
        "{rounds} trials, {failures} failures; the passes took {millis:?} ms, and whoever asked meanwhile waited \
         {waited:?} ms"
    ))?;
    ensure!(failures == 0, "{failures} of {rounds} went without");
    ensure!(removed.iter().all(|time| *time >= SLOW), "a pass did not take long: {millis:?}");
    Ok(())
}

pub(super) fn race(world: &mut World) -> Result<()> {
    const ROUNDS: usize = 20;
    without_interval()?;
    let (counted, seen) = trace::watch(|| -> Result<usize> {
        let mounts = spawn(|| (0..ROUNDS).try_for_each(mount_and_unmount));
        let mut passes = 0;
        while passes < ROUNDS || !mounts.is_finished() {
            pass()?;
            passes += 1;
        }
        mounts.join().map_err(|_| anyhow!("the mounting thread panicked"))??;
        Ok(passes)
    })?;
    let passes = counted?;
    ensure!(seen.crashes.is_empty() && seen.modprobes == seen.requests.len(), "{seen:?}");
    // Every second mount came when a pass was unloading the module.
    ensure!(seen.modprobes >= ROUNDS / 2, "{} loads", seen.modprobes);
    world.note(&format!("{ROUNDS} mounts, {passes} passes, {} loads", seen.modprobes))
}

/// Mounts, uses and unmounts. Every second time it first waits for the moment in which the kernel, in the middle of
/// unloading the module, forgets the file system.
fn mount_and_unmount(round: usize) -> Result<()> {
    let place = format!("{WORK}/mount-binfmt_misc");
    let deadline = Instant::now() + PATIENCE;
    while round % 2 == 1 && ask::knows_file_system("binfmt_misc")? {
        ensure!(Instant::now() < deadline, "round {round}: no pass unloads the module");
    }
    ask::file_system("binfmt_misc").with_context(|| format!("mount {round}"))?;
    let status = fs::read_to_string(Path::new(&place).join("status"))?;
    ensure!(status.trim() == "enabled", "round {round}: {status}");
    // A pass that was started while the file was open has it open, too, until its program runs.
    loop {
        match unmount(&place, UnmountFlags::empty()) {
            Err(Errno::BUSY) if Instant::now() < deadline => {}
            unmounted => return unmounted.with_context(|| format!("unmount {round}")),
        }
    }
}
