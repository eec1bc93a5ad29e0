//! Who asks for a module while it is being unloaded gets it: many trials, with failures counted. Too long for every
//! run; `autoclean` has a short form of the first.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::PATIENCE;
use super::autoclean::{requests_beside, slow_beside, without_interval};
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::program::{modprobe, rmmod};
use crate::world::{SYS, World, loaded_modules};

/// See the module.
pub const GROUP: Group = Group {
    by_default: false,
    processors: 2,
    ..Group::new(
        "races",
        &[
            Scenario::new("five-hundred-who-ask-beside-a-pass", &["can", "can-bcm", "can-raw"], |world| {
                requests_beside(world, 500)
            })
            .ours_only()
            .within(3600),
            Scenario::new("askers-in-a-loop-beside-passes-in-a-loop", &FILE_SYSTEMS, loops)
                .ours_only()
                .within(900),
            Scenario::new("who-asks-while-a-pass-takes-seconds-to-unload", &["can"], |world| {
                slow_beside(world, 20)
            })
            .ours_only()
            .within(1200),
            Scenario::new("a-module-that-takes-seconds-to-go-is-waited-for", &[SLOW], slow)
                .ours_only()
                .within(600),
        ],
    )
};

/// File systems, each with an asker of its own.
const FILE_SYSTEMS: [&str; 8] = ["minix", "efs", "qnx4", "qnx6", "bfs", "sysv", "ufs", "omfs"];

/// How long the loops run.
const LOOPS: Duration = Duration::from_secs(180);

/// What the askers found.
#[derive(Default)]
struct Tally {
    trials: AtomicUsize,
    failures: AtomicUsize,
    unloaded: AtomicUsize,
}

/// Everybody rests about as long as a pass leaves alone what was asked for, so that passes unload in the very moment
/// in which somebody asks again.
fn loops(world: &mut World) -> Result<()> {
    static TALLY: Tally =
        Tally { trials: AtomicUsize::new(0), failures: AtomicUsize::new(0), unloaded: AtomicUsize::new(0) };
    static OVER: AtomicBool = AtomicBool::new(false);
    without_interval()?;
    let passes = spawn(|| -> Result<usize> {
        let mut passes = 0;
        while !OVER.load(Ordering::Relaxed) {
            rmmod(&["-a"])?.expect_code(0)?;
            passes += 1;
        }
        Ok(passes)
    });
    let end = Instant::now() + LOOPS;
    let begin = |(seed, kind)| spawn(move || asker(kind, seed, end, &TALLY));
    let askers: Vec<_> = (0..).zip(FILE_SYSTEMS).map(begin).collect();
    for asker in askers {
        asker.join().map_err(|_| anyhow!("an asker panicked"))??;
    }
    OVER.store(true, Ordering::Relaxed);
    let passes = passes.join().map_err(|_| anyhow!("the passes panicked"))??;
    let [trials, failures, unloaded] =
        [&TALLY.trials, &TALLY.failures, &TALLY.unloaded].map(|count| count.load(Ordering::Relaxed));
    world.note(&format!(
        "{trials} trials, {failures} failures; {passes} passes, {unloaded} unloaded meanwhile"
    ))?;
    ensure!(failures == 0, "{failures} of {trials} went without");
    ensure!(unloaded > trials / 10, "the passes unloaded {unloaded} only: nothing was shown");
    Ok(())
}

fn asker(kind: &str, seed: u64, end: Instant, tally: &Tally) -> Result<()> {
    let mut round = seed;
    while Instant::now() < end {
        round += 1;
        let was_there = is_loaded(kind)?;
        let by_name = round % 4 == 3;
        if by_name {
            if modprobe(&[kind]).is_err() {
                tally.failures.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            // Without a device it fails, after the kernel has asked.
            let _ = ask::file_system(kind);
        }
        tally.trials.fetch_add(1, Ordering::Relaxed);
        tally.unloaded.fetch_add(usize::from(!was_there && round > seed + 1), Ordering::Relaxed);
        if !is_loaded(kind)? {
            tally.failures.fetch_add(1, Ordering::Relaxed);
        }
        if by_name {
            // What a person loaded would stay.
            rmmod(&[kind])?.expect_code(0)?;
            continue;
        }
        let millis = 9_900 + (round * 7_919 + seed * 104_729) % 400;
        sleep(Duration::from_millis(millis));
    }
    Ok(())
}

fn is_loaded(module: &str) -> Result<bool> {
    Ok(loaded_modules()?.contains_key(module))
}

/// A module whose end takes seconds: it has many disks to take down.
const SLOW: &str = "scsi_debug";

fn slow(world: &mut World) -> Result<()> {
    world.configure("slow", "options scsi_debug add_host=60 max_luns=4 delay=0\n")?;
    for by_name in [true, false] {
        modprobe(&[SLOW])?;
        let removal = spawn(|| -> Result<Duration> {
            let begun = Instant::now();
            rmmod(&[SLOW])?.expect_code(0)?;
            Ok(begun.elapsed())
        });
        let state = Path::new(SYS).join("module").join(SLOW).join("initstate");
        let deadline = Instant::now() + PATIENCE;
        while fs::read_to_string(&state)?.trim() != "going" {
            ensure!(Instant::now() < deadline, "the removal does not begin");
        }
        let begun = Instant::now();
        if by_name {
            modprobe(&[SLOW])?;
        } else {
            ensure!(ask::interface(SLOW).is_err());
        }
        let waited = begun.elapsed();
        let removed = removal.join().map_err(|_| anyhow!("the removal panicked"))??;
        let asked = if by_name { "modprobe" } else { "a request" };
        ensure!(is_loaded(SLOW)?, "{asked} did not load it");
        world.note(&format!(
            "{asked} came while the module took {} ms to go, and had it after {} ms",
            removed.as_millis(),
            waited.as_millis()
        ))?;
        rmmod(&[SLOW])?.expect_code(0).context("at the end")?;
    }
    Ok(())
}
