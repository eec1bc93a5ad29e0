//! Modules behind stored data: whatever the passes do, it is read back as it was written.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::sync;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{on_demand, on_demand_by_name, stays, stays_by_evidence};
use crate::program::shell;
use crate::world::{PROC, SYS, WORK, World};

/// A megabyte in which no two blocks are alike.
fn data() -> Vec<u8> {
    (0..1u32 << 18).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

/// The device has to be asked for what it stores.
fn forget_cached() -> Result<()> {
    sync();
    Ok(fs::write(Path::new(PROC).join("sys/vm/drop_caches"), "3")?)
}

pub(super) fn zram(world: &mut World) -> Result<()> {
    on_demand_by_name(world, &["zram"])?;
    fs::write(Path::new(SYS).join("block/zram0/disksize"), "4M").context("the size")?;
    fs::write("/dev/zram0", data()).context("the data")?;
    forget_cached()?;
    stays(world, &["zram"])?;
    stays_by_evidence(world, &["zram"])?;
    forget_cached()?;
    let read = fs::read("/dev/zram0").context("reading back")?;
    ensure!(read.starts_with(&data()), "the data has changed");
    Ok(())
}

pub(super) fn disk(world: &mut World) -> Result<()> {
    on_demand_by_name(world, &["virtio_pci", "virtio_blk"])?;
    shell("mkdosfs /dev/vda >/dev/null")?;
    let place = format!("{WORK}/disk");
    fs::create_dir_all(&place)?;
    let mounted = || mount("/dev/vda", &place, "vfat", MountFlags::empty(), None);
    on_demand(mounted)?.context("the mount")?;
    let file = Path::new(&place).join("data");
    fs::write(&file, data())?;
    forget_cached()?;
    stays(world, &["virtio_pci", "virtio_blk"])?;
    stays_by_evidence(world, &["virtio_pci", "virtio_blk", "virtio_ring", "virtio", "vfat"])?;
    forget_cached()?;
    ensure!(fs::read(&file)? == data(), "the data has changed");
    unmount(&place, UnmountFlags::empty())?;
    stays_by_evidence(world, &["virtio_pci", "virtio_blk"]).context("without the mount")?;
    mounted().context("the second mount")?;
    ensure!(fs::read(&file)? == data(), "the data has changed");
    Ok(())
}
