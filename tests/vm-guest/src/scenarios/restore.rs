//! Settings of modules that another program loads, or that came in too early, put back later.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::hooks::configure;
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::program::{self, modprobe, rmmod};
use crate::world::{SYS, World};

/// See the module.
pub const GROUP: Group = Group {
    kernel_arguments: "tcp_vegas.gamma=3",
    ..Group::new(
        "restore",
        &[
            Scenario::new("what-busybox-loads-gets-named-settings-once", &["tcp_vegas"], foreign).ours_only(),
            Scenario::new("insmod-puts-settings-back-itself", &["tcp_vegas"], own).ours_only(),
            Scenario::new("what-came-in-before-var-is-served-later", &["tcp_vegas"], early).ours_only(),
            Scenario::new("udev-is-told-whether-there-is-anything-to-put-back", &[], marker).ours_only(),
        ],
    )
};

const SAVED: &str = "/var/lib/modutils/settings";
const MARKER: &str = "/run/modutils/persists";

fn save(text: &str) -> Result<()> {
    fs::create_dir_all(SAVED)?;
    Ok(fs::write(format!("{SAVED}/tcp_vegas"), text)?)
}

fn values() -> Result<[String; 3]> {
    let value = |name: &str| -> Result<String> {
        let path = format!("{SYS}/module/tcp_vegas/parameters/{name}");
        Ok(fs::read_to_string(&path).with_context(|| path.clone())?.trim_end().to_owned())
    };
    Ok([value("alpha")?, value("beta")?, value("gamma")?])
}

fn expect(expected: [&str; 3]) -> Result<()> {
    let found = values()?;
    ensure!(found == expected, "{found:?}, expected {expected:?}");
    Ok(())
}

/// The shell's program is busybox, which has an insmod of its own.
fn busybox_insmod(world: &World) -> Result<()> {
    let mut insmod = Command::new("/bin/sh");
    insmod.arg0("insmod").arg(world.module_file("tcp_vegas")?).arg("beta=9");
    let status = program::wait(&mut insmod.spawn()?, super::PATIENCE)?;
    ensure!(status.success(), "{status:?}");
    world.expect_loaded(&["tcp_vegas"])
}

fn foreign(world: &mut World) -> Result<()> {
    configure("persist tcp_vegas\npersist tcp_vegas parameters alpha gamma\n")?;
    save("parameters/alpha = 5\nparameters/beta = 6\nparameters/gamma = 7\n")?;
    busybox_insmod(world)?;
    let before = values()?;
    modprobe(&["--restore-settings", "tcp-vegas"])?;
    // What busybox gave cannot be known, so only what a line names counts; and what the kernel's command line gives
    // stays.
    expect(["5", &before[1], &before[2]])?;
    let shown = modprobe(&["--show-settings", "tcp_vegas"])?.stdout;
    ensure!(shown.contains("by another program") && shown.contains("yes"), "{shown}");
    fs::write(format!("{SYS}/module/tcp_vegas/parameters/alpha"), "4")?;
    modprobe(&["--restore-settings"])?;
    expect(["4", &before[1], &before[2]])?;
    rmmod(&["tcp_vegas"])?.expect_code(0)?;
    // The kernel's request: modprobe puts everything back itself.
    drop(ask::congestion_control("vegas")?);
    expect(["4", "6", "3"])
}

fn own(world: &mut World) -> Result<()> {
    configure("persist tcp_vegas\n")?;
    save("parameters/alpha = 5\nparameters/beta = 6\n")?;
    let file = world.module_file("tcp_vegas")?;
    let file = file.to_str().context("a path that is text")?;
    program::run("/sbin/insmod", &[file, "beta=8"])?.expect_code(0)?;
    let found = values()?;
    ensure!((&*found[0], &*found[1]) == ("5", "8"), "{found:?}");
    let shown = modprobe(&["--show-settings"])?.stdout;
    ensure!(shown.contains("on purpose"), "{shown}");
    Ok(())
}

fn early(_: &mut World) -> Result<()> {
    configure("persist tcp_vegas\n")?;
    modprobe(&["tcp_vegas", "beta=8"])?;
    let shown = modprobe(&["--show-settings"])?.stdout;
    ensure!(shown.contains("early"), "{shown}");
    save("parameters/alpha = 5\nparameters/beta = 6\nparameters/gamma = 7\n")?;
    modprobe(&["--restore-settings"])?;
    expect(["5", "8", "3"])
}

fn marker(_: &mut World) -> Result<()> {
    modprobe(&["--restore-settings", "--no-persist"])?;
    ensure!(!fs::exists(MARKER)?);
    configure("persist tcp_vegas\n")?;
    modprobe(&["--restore-settings", "--no-persist"])?;
    ensure!(fs::exists(MARKER)?);
    configure("keep tcp_vegas\n")?;
    modprobe(&["--restore-settings"])?;
    ensure!(!fs::exists(MARKER)?);
    Ok(())
}
