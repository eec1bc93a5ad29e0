//! What goes: an idle module of each class whose use counts are trusted.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::net::SocketType;

use super::{configure, goes, on_demand, on_demand_by_name, pass, record_of, stays, without_interval};
use crate::ask;
use crate::program::{modprobe, shell};
use crate::traffic_control;
use crate::world::{WORK, World};

pub(super) fn file_system(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    goes(world, &["minix"])?;
    ensure!(!record_of("minix").exists(), "the record is still there");
    Ok(())
}

pub(super) fn chain(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("vfat"))?;
    goes(world, &["vfat"])?;
    world.expect_loaded(&["fat"]).context("in the pass that unloaded vfat")?;
    pass()?;
    world.expect_absent(&["fat"])
}

pub(super) fn family(world: &mut World) -> Result<()> {
    // No module has this protocol, so that the family comes alone.
    let _ = on_demand(|| ask::socket(ask::family::CAN, SocketType::RAW, 7))?;
    goes(world, &["can"])
}

pub(super) fn algorithm(world: &mut World) -> Result<()> {
    drop(on_demand(|| ask::crypto("hash", "rmd160"))?.context("the socket")?);
    goes(world, &["algif_hash", "rmd160"])?;
    world.expect_loaded(&["af_alg"]).context("in the pass that unloaded algif_hash")?;
    pass()?;
    world.expect_absent(&["af_alg"])
}

pub(super) fn congestion_control(world: &mut World) -> Result<()> {
    drop(on_demand(|| ask::congestion_control("vegas"))?.context("the socket")?);
    stays(world, &["tcp_vegas"])?;
    configure("autoclean tcp_*\n")?;
    goes(world, &["tcp_vegas"])
}

pub(super) fn binary_format(world: &mut World) -> Result<()> {
    // This kernel has no format of that kind as a module.
    world.configure("binfmt", "alias binfmt-0403 minix\n")?;
    let _ = on_demand(|| ask::execute(&[1, 2, 3, 4, 5, 6, 7, 8]))?;
    goes(world, &["minix"])
}

pub(super) fn character_set(world: &mut World) -> Result<()> {
    on_demand_by_name(world, &["virtio_pci", "virtio_blk"])?;
    shell("mkdosfs /dev/vda >/dev/null")?;
    let place = format!("{WORK}/disk");
    fs::create_dir_all(&place)?;
    on_demand(|| mount("/dev/vda", &place, "vfat", MountFlags::empty(), Some(c"codepage=850")))??;
    stays(world, &["vfat", "nls_cp850", "nls_ascii"])?;
    unmount(&place, UnmountFlags::empty())?;
    goes(world, &["vfat", "nls_cp850", "nls_ascii"])
}

pub(super) fn queueing_discipline(world: &mut World) -> Result<()> {
    on_demand(|| traffic_control::add_root(traffic_control::LOOPBACK, "fq"))??;
    stays(world, &["sch_fq"])?;
    traffic_control::delete_root(traffic_control::LOOPBACK)?;
    goes(world, &["sch_fq"])
}

pub(super) fn traffic_action(world: &mut World) -> Result<()> {
    // An action needs options, but its kind is found first.
    let added = on_demand(|| traffic_control::add_action("gact"))?;
    ensure!(added.is_err());
    goes(world, &["act_gact"])
}

/// The classes for whose requests a scenario would need packet filters, arrays and mappings, each with a module
/// whose name is of the class as well.
const CLASSES: [&str; 7] =
    ["xt_comment", "ipt_ah", "ip6t_ah", "cls_basic", "ip_set_hash_ip", "dm-zero", "md-level-1"];

/// The modules of [`CLASSES`].
pub(super) const CLASSES_MODULES: &[&str] =
    &["xt_comment", "ipt_ah", "ip6t_ah", "cls_basic", "ip_set_hash_ip", "dm_zero", "raid1"];

pub(super) fn classes(world: &mut World) -> Result<()> {
    on_demand_by_name(world, &CLASSES)?;
    goes(world, CLASSES_MODULES)?;
    // What these needed has aliases of other kinds and stays: a disk or a set could be behind it.
    world.expect_loaded(&["ip_set", "dm_mod", "md_mod"])
}

pub(super) fn protocol(world: &mut World) -> Result<()> {
    let socket = on_demand(|| ask::socket(ask::family::CAN, SocketType::RAW, 1))?.context("the socket")?;
    stays(world, &["can", "can_raw"]).context("with an open socket")?;
    drop(socket);
    without_interval()?;
    goes(world, &["can_raw"])?;
    pass()?;
    world.expect_absent(&["can"])?;
    ensure!(!Path::new("/run/modutils/autoloaded/can").exists(), "the record is still there");
    Ok(())
}

pub(super) fn asked_about(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    for question in ["-n", "-D", "-R", "--explain"] {
        modprobe(&[question, "minix"])?;
    }
    goes(world, &["minix"])
}

pub(super) fn install_command(world: &mut World) -> Result<()> {
    world.configure("install", "install minix /sbin/modprobe -i minix\n")?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    let record = fs::read_to_string(record_of("minix"))?;
    ensure!(record.contains("request=fs-minix"), "{record}");
    goes(world, &["minix"])?;
    modprobe(&["minix"])?;
    stays(world, &["minix"]).context("on behalf of a person")
}
