//! The suite's story as a transcript: a module comes because the kernel asked for it, is remembered, and goes when
//! two passes have found it idle; what a person loaded stays. Every line shown is what happened; a story that
//! goes otherwise fails.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::catalog::{Group, Scenario};
use crate::program::{modprobe, rmmod};
use crate::trace;
use crate::world::{WORK, World, loaded_modules};

/// See the module.
pub const GROUP: Group = Group {
    by_default: false,
    ..Group::new(
        "demo",
        &[Scenario::new("a-module-comes-on-demand-and-goes-when-idle", &["overlay", "minix"], story)
            .ours_only()],
    )
};

/// Where the records of what came in on demand are.
const RECORDS: &str = "/run/modutils/autoloaded";
/// Longer than the interval that the story configures, which it has to wait for.
const INTERVAL: Duration = Duration::from_millis(1200);

fn story(world: &mut World) -> Result<()> {
    world.note("A person loads a module, which pins it:")?;
    world.note("# modprobe minix")?;
    modprobe(&["minix"])?;

    world.note("")?;
    world.note("A mount needs a driver that is not there. The kernel asks /sbin/modprobe for it:")?;
    let place = prepare()?;
    world.note("# mount -t overlay -o lowerdir=upper-floor:ground-floor overlay building")?;
    let options = format!("lowerdir={WORK}/upper-floor:{WORK}/ground-floor");
    let options = std::ffi::CString::new(options)?;
    let (mounted, seen) =
        trace::watch(|| mount("overlay", &*place, "overlay", MountFlags::empty(), Some(options.as_c_str())))?;
    mounted.context("the mount")?;
    world.note(&format!("kernel: requested {}; {} modprobe", seen.requests.join(", "), seen.modprobes))?;
    ensure!(seen.requests == ["fs-overlay"] && seen.modprobes == 1, "{seen:?}");
    list(world)?;
    world.expect_loaded(&["overlay", "minix"])?;

    world.note("")?;
    world.note("What came in on demand is on record:")?;
    show_records(world)?;

    world.note("")?;
    world.note("cron calls rmmod -a. While it is mounted, nothing happens:")?;
    pass(world)?;
    world.expect_loaded(&["overlay", "minix"])?;

    world.note("")?;
    world.note("# umount building")?;
    unmount(&*place, UnmountFlags::empty()).context("the unmount")?;
    world.note("The first pass that finds it idle marks it:")?;
    pass(world)?;
    world.expect_loaded(&["overlay", "minix"])?;

    world.note("")?;
    world.note("The next one, at least the interval later (here 1 s, otherwise 60 s), unloads it:")?;
    sleep(INTERVAL);
    pass(world)?;
    list(world)?;
    world.expect_absent(&["overlay"])?;
    world.expect_loaded(&["minix"])
}

/// The directories of the mount and the shortest interval; gives the mount point.
fn prepare() -> Result<String> {
    for name in ["upper-floor", "ground-floor", "building"] {
        fs::create_dir_all(format!("{WORK}/{name}"))?;
    }
    fs::create_dir_all("/etc/modutils.d")?;
    fs::write("/etc/modutils.d/demo.conf", "interval 1\n")?;
    Ok(format!("{WORK}/building"))
}

fn list(world: &World) -> Result<()> {
    let names: Vec<_> =
        loaded_modules()?.into_keys().filter(|name| ["overlay", "minix"].contains(&&**name)).collect();
    world.note(&format!("loaded: {}", names.join(", ")))
}

fn show_records(world: &World) -> Result<()> {
    let path = Path::new(RECORDS).join("overlay");
    world.note(&format!("# cat {}", path.display()))?;
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for line in text.lines() {
        world.note(line)?;
    }
    Ok(())
}

fn pass(world: &World) -> Result<()> {
    // Some time later.
    crate::world::long_ago()?;
    world.note("# rmmod -a -v")?;
    let ended = rmmod(&["-a", "-v"])?;
    for line in ended.stdout.lines().chain(ended.stderr.lines()) {
        world.note(line)?;
    }
    ended.expect_code(0)
}
