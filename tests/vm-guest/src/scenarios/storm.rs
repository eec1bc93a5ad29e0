//! Many at once: requests of the kernel, and modprobes by hand.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread::{ScopedJoinHandle, scope};

use anyhow::{Result, ensure};

use super::autoclean::slow_beside;
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::program::{self, Ended, run};
use crate::trace::{self, Seen};
use crate::world::{MODPROBE, World};

/// More than the kernel starts at once.
pub(super) const MANY: usize = 60;
/// As many as it starts at once. Further requests wait for one of these to end, five seconds at most, and are
/// then refused without a modprobe; on a busy host that happens, and the trace does not show them.
const SLOTS: usize = 50;

/// File systems that share dependencies, in part.
const FILE_SYSTEMS: [&str; 10] =
    ["vfat", "msdos", "minix", "romfs", "hfs", "hfsplus", "ufs", "qnx4", "efs", "befs"];

/// See the module.
pub const GROUP: Group = Group {
    processors: 2,
    ..Group::new(
        "storm",
        &[
            Scenario::new("sixty-unknown-requests-at-once-cost-one-modprobe-each", &[], unknown).within(240),
            Scenario::new("sixty-requests-for-one-module-all-find-it", &["vfat"], one_module).within(240),
            Scenario::new("sixty-requests-for-ten-modules-all-find-them", &FILE_SYSTEMS, ten_modules)
                .within(240),
            Scenario::new(
                "thirty-modprobes-of-one-module-all-succeed",
                &["xfs", "crc32c_generic"],
                |world| thirty(world, &["xfs"]),
            )
            .within(240),
            Scenario::new("thirty-modprobes-with-shared-dependencies-all-succeed", &FILE_SYSTEMS, |world| {
                thirty(world, &FILE_SYSTEMS)
            })
            .within(240),
            Scenario::new("loads-racing-with-unloads-end-in-order", &["vfat"], race).within(240),
            Scenario::new("a-module-that-takes-a-pass-seconds-to-unload-is-waited-for", &["can"], |world| {
                slow_beside(world, 2)
            })
            .ours_only()
            .within(240),
        ],
    )
};

/// Runs `action` with each number below `count`, all begun at the same moment.
pub(super) fn at_once<T: Send>(count: usize, action: impl Fn(usize) -> T + Sync) -> Result<Vec<T>> {
    let barrier = Barrier::new(count);
    scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (barrier, action) = (&barrier, &action);
                scope.spawn(move || {
                    barrier.wait();
                    action(number)
                })
            })
            .collect();
        let joined = threads.into_iter().map(ScopedJoinHandle::join);
        joined.map(|value| value.map_err(|_| anyhow::anyhow!("a thread of the scenario panicked"))).collect()
    })
}

fn unknown(world: &mut World) -> Result<()> {
    let (mounted, seen) =
        trace::watch(|| at_once(MANY, |number| ask::file_system(&format!("none{number}"))))?;
    ensure!(seen.crashes.is_empty(), "{seen:?}");
    let errors: BTreeSet<_> =
        mounted?.into_iter().filter_map(Result::err).filter_map(|error| error.raw_os_error()).collect();
    let names: BTreeSet<_> = seen.requests.iter().collect();
    ensure!(names.len() == seen.requests.len() && names.len() >= SLOTS, "{} requests", names.len());
    ensure!(seen.modprobes == names.len(), "{} modprobes for {} requests", seen.modprobes, names.len());
    ensure!(errors == BTreeSet::from([19]), "the mounts failed with {errors:?}, not only with ENODEV");
    world.note(&format!("{} requests, {} modprobes", names.len(), seen.modprobes))
}

/// Whoever was not refused by the kernel itself has found what was asked for.
fn check_storm(seen: &Seen, blind: usize) -> Result<()> {
    ensure!(seen.crashes.is_empty() && seen.modprobes == seen.requests.len(), "{seen:?}");
    let refused = MANY.saturating_sub(seen.requests.len());
    ensure!(
        blind <= refused,
        "{blind} did not find the file system, but the kernel refused {refused} at most"
    );
    Ok(())
}

fn one_module(world: &mut World) -> Result<()> {
    let (known, seen) = trace::watch(|| {
        at_once(MANY, |_| {
            let _ = ask::file_system("vfat");
            ask::knows_file_system("vfat")
        })
    })?;
    let blind = known?.into_iter().filter(|known| !matches!(known, Ok(true))).count();
    check_storm(&seen, blind)?;
    world.note(&format!("{} requests, {} modprobes", seen.requests.len(), seen.modprobes))?;
    world.expect_loaded(&["vfat", "fat"])
}

fn ten_modules(world: &mut World) -> Result<()> {
    let kind = |number: usize| FILE_SYSTEMS.iter().copied().cycle().nth(number).unwrap_or_default();
    let (known, seen) = trace::watch(|| {
        at_once(MANY, |number| {
            let _ = ask::file_system(kind(number));
            (kind(number), ask::knows_file_system(kind(number)))
        })
    })?;
    let blind = known?.into_iter().filter(|(_, known)| !matches!(known, Ok(true))).count();
    check_storm(&seen, blind)?;
    for kind in FILE_SYSTEMS {
        let _ = ask::file_system(kind);
    }
    world.note(&format!("{} requests, {} modprobes", seen.requests.len(), seen.modprobes))?;
    world.expect_loaded(&FILE_SYSTEMS)
}

fn thirty(world: &World, modules: &[&str]) -> Result<()> {
    let ended = at_once(30, |number| {
        let module = modules.iter().copied().cycle().nth(number).unwrap_or_default();
        run(MODPROBE, &[module])
    })?;
    for ended in ended {
        ended?.expect_code(0)?;
    }
    world.expect_loaded(modules)
}

fn race(world: &mut World) -> Result<()> {
    let ended = at_once(16, |number| {
        let arguments: &[&str] = if number % 2 == 0 { &["vfat"] } else { &["-r", "vfat"] };
        run(MODPROBE, arguments)
    })?;
    for ended in ended {
        // A race may be lost, but not by a crash.
        let ended: Ended = ended?;
        ensure!(ended.signal.is_none(), "{ended:?}");
    }
    program::modprobe(&["vfat"])?;
    world.expect_loaded(&["vfat", "fat"])?;
    program::modprobe(&["-r", "vfat"])?;
    world.expect_absent(&["vfat", "fat"])
}
