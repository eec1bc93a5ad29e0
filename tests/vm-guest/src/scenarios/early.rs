//! The first instant of an initramfs: nothing is mounted, `/dev` is all but empty, and the kernel already asks.

use anyhow::{Context as _, Result, ensure};
use rustix::net::SocketType;

use super::expect_requests;
use crate::ask::{self, family};
use crate::catalog::{Group, Mounts, Scenario};
use crate::program::{modprobe, run, run_closed};
use crate::world::{MODPROBE, Unmounted, World};

/// See the module.
pub const GROUP: Group = Group {
    mounts: Mounts::Nothing,
    ..Group::new(
        "early",
        &[
            Scenario::new("a-request-is-answered-with-nothing-mounted", &["vfat"], request_answered),
            Scenario::new("an-unknown-request-fails-with-nothing-mounted", &[], request_unknown),
            Scenario::new("a-request-is-answered-on-a-read-only-root", &["minix"], read_only_root),
            Scenario::new(
                "a-socket-family-is-loaded-with-nothing-mounted",
                &["can", "can-raw"],
                socket_family,
            ),
            Scenario::new("the-kernels-form-by-hand-loads", &["minix"], form_by_hand),
            Scenario::new("the-kernels-form-by-hand-fails-for-an-unknown-name", &[], form_by_hand_unknown),
            Scenario::new("the-form-of-linux-2-4-by-hand-loads", &["minix"], old_form_by_hand).ours_only(),
            Scenario::new("every-tool-starts-with-closed-descriptors", &["minix"], every_tool),
            Scenario::new("a-person-loads-and-unloads-with-nothing-mounted", &["minix"], person),
            Scenario::new("a-silent-failure-without-any-sink-keeps-its-status", &[], no_sink),
        ],
    )
};

fn request_answered(world: &mut World) -> Result<()> {
    let _ = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    world.expect_loaded(&["vfat", "fat"])
}

fn request_unknown(_: &mut World) -> Result<()> {
    // The second name is asked for only after a failure of the first: modprobe ran and said so.
    let names = ["char-major-60-1", "char-major-60"];
    ensure!(expect_requests(&names, || ask::character_device(60, 1))?.is_err());
    Ok(())
}

fn read_only_root(world: &mut World) -> Result<()> {
    let _root = Unmounted::root_writing()?;
    ensure!(std::fs::write("/written", "").is_err(), "the root is still writable");
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])
}

fn socket_family(world: &mut World) -> Result<()> {
    let names = ["net-pf-29", "can-proto-1"];
    expect_requests(&names, || ask::socket(family::CAN, SocketType::RAW, 1))?.context("the socket")?;
    world.expect_loaded(&["can", "can_raw"])
}

fn form_by_hand(world: &mut World) -> Result<()> {
    run_closed(MODPROBE, &["-q", "--", "fs-minix"])?.expect_code(0)?;
    world.expect_loaded(&["minix"])
}

fn form_by_hand_unknown(_: &mut World) -> Result<()> {
    run_closed(MODPROBE, &["-q", "--", "net-pf-28"])?.expect_code(1)
}

fn old_form_by_hand(world: &mut World) -> Result<()> {
    run_closed(MODPROBE, &["-s", "-k", "--", "fs-minix"])?.expect_code(0)?;
    world.expect_loaded(&["minix"])
}

fn every_tool(world: &mut World) -> Result<()> {
    ensure!(!std::path::Path::new("/dev/null").exists(), "there is a /dev/null");
    run_closed(MODPROBE, &["minix"])?.expect_code(0)?;
    world.expect_loaded(&["minix"])?;
    // Without /sys it knows of no module; what counts is that it says so by its status, not by a signal.
    run_closed("/sbin/rmmod", &["minix"])?.expect_code(1)?;
    run_closed("/sbin/depmod", &["--version"])?.expect_code(0)?;
    run_closed("/sbin/depmod", &["-n"])?.expect_code(0)
}

fn person(world: &mut World) -> Result<()> {
    modprobe(&["minix"])?;
    world.expect_loaded(&["minix"])?;
    // Without /sys nobody but the kernel knows the module's state.
    let removed = run("/sbin/rmmod", &["minix"])?;
    ensure!(removed.signal.is_none(), "{removed:?}");
    Ok(())
}

fn no_sink(_: &mut World) -> Result<()> {
    run_closed(MODPROBE, &["-s", "nonesuch"])?.expect_code(1)
}
