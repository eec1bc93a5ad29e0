//! What a module needs comes with it and goes with it, as far as nobody else uses it.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};

use crate::ask;
use crate::program::{modprobe, rmmod as run_rmmod, run};
use crate::world::{MODPROBE, WORK, World};

/// btrfs with its soft dependencies.
pub(super) const BTRFS: &[&str] = &["btrfs", "blake2b_generic", "xxhash_generic", "crc32c_generic"];

/// Loads, checks, removes by `modprobe -r`, checks.
fn come_and_go(world: &World, module: &str, chain: &[&str]) -> Result<()> {
    modprobe(&[module])?;
    world.expect_loaded(chain)?;
    modprobe(&["-r", module])?;
    world.expect_absent(chain).context("after modprobe -r")
}

pub(super) fn xfs(world: &mut World) -> Result<()> {
    come_and_go(world, "xfs", &["xfs", "libcrc32c"])
}

pub(super) fn btrfs(world: &mut World) -> Result<()> {
    come_and_go(world, "btrfs", &["btrfs", "raid6_pq", "xor", "zstd_compress", "libcrc32c"])
}

pub(super) fn iptable_nat(world: &mut World) -> Result<()> {
    let chain = ["iptable_nat", "ip_tables", "x_tables", "nf_nat", "nf_conntrack"];
    modprobe(&["iptable_nat"])?;
    world.expect_loaded(&chain)?;
    modprobe(&["-r", "iptable_nat"])?;
    world.expect_absent(&["iptable_nat", "ip_tables", "nf_nat"]).context("after modprobe -r")
}

pub(super) fn all_unused(world: &mut World) -> Result<()> {
    // In the order of modules.dep x_tables comes while ip_tables still holds it.
    let chain = ["iptable_nat", "ip_tables", "x_tables", "nf_nat", "nf_conntrack", "nf_defrag_ipv4"];
    come_and_go(world, "iptable_nat", &chain)
}

pub(super) fn several(world: &mut World) -> Result<()> {
    modprobe(&["-a", "minix", "vfat", "efs"])?;
    world.expect_loaded(&["minix", "vfat", "fat", "efs"])?;
    modprobe(&["-r", "minix", "vfat", "efs"])?;
    world.expect_absent(&["minix", "vfat", "fat", "efs"])
}

pub(super) fn holders(world: &mut World) -> Result<()> {
    modprobe(&["vfat"])?;
    let ended = run(MODPROBE, &["-r", "fat"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("in use"), "{ended:?}");
    world.expect_loaded(&["vfat", "fat"])
}

pub(super) fn remove_holders(world: &mut World) -> Result<()> {
    modprobe(&["vfat"])?;
    // compat: the reference ends with an error if a holder's own removal took the module with it
    // (case modprobe/remove-holders-chain).
    run(MODPROBE, &["-r", "--remove-holders", "fat"])?;
    world.expect_absent(&["vfat", "fat"])
}

pub(super) fn in_use(world: &mut World) -> Result<()> {
    modprobe(&["uinput"])?;
    modprobe(&["uinput"])?;
    let device = File::open("/dev/uinput").context("the device")?;
    run(MODPROBE, &["-r", "uinput"])?.expect_code(1)?;
    world.expect_loaded(&["uinput"])?;
    drop(device);
    modprobe(&["-r", "uinput"])?;
    world.expect_absent(&["uinput"])
}

pub(super) fn rmmod(world: &mut World) -> Result<()> {
    modprobe(&["vfat"])?;
    run_rmmod(&["vfat"])?.expect_code(0)?;
    world.expect_absent(&["vfat"])?;
    world.expect_loaded(&["fat"])
}

pub(super) fn rmmod_holders(world: &mut World) -> Result<()> {
    modprobe(&["vfat"])?;
    let ended = run_rmmod(&["fat"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("in use") && ended.stderr.contains("vfat"), "{ended:?}");
    world.expect_loaded(&["vfat", "fat"])
}

pub(super) fn rmmod_hints(_: &mut World) -> Result<()> {
    ask::file_system("binfmt_misc").context("the mount")?;
    let mounted = run_rmmod(&["-v", "binfmt_misc"])?;
    mounted.expect_code(1)?;
    let hint = format!("hint: mounted: {WORK}/mount-binfmt_misc (binfmt_misc on none)");
    ensure!(mounted.stderr.contains(&hint), "{mounted:?}");
    modprobe(&["uinput"])?;
    let device = File::open("/dev/uinput").context("the device")?;
    let open = run_rmmod(&["-v", "uinput"])?;
    open.expect_code(1)?;
    let by = format!("({})", std::process::id());
    ensure!(open.stderr.contains("hint: open: ") && open.stderr.contains(&by), "{open:?}");
    drop(device);
    Ok(())
}

pub(super) fn rmmod_force(world: &mut World) -> Result<()> {
    modprobe(&["minix"])?;
    run_rmmod(&["-f", "minix"])?.expect_code(0)?;
    world.expect_absent(&["minix"])
}

pub(super) fn first_time(world: &mut World) -> Result<()> {
    modprobe(&["minix"])?;
    modprobe(&["minix"]).context("the second time")?;
    run(MODPROBE, &["--first-time", "minix"])?.expect_code(1)?;
    modprobe(&["-r", "minix"])?;
    modprobe(&["-r", "minix"]).context("removed the second time")?;
    run(MODPROBE, &["-r", "--first-time", "minix"])?.expect_code(1)?;
    world.expect_absent(&["minix"])
}
