//! Each line of autoclean's table of classes whose use counts are trusted, and of those that are not: what the table
//! says holds a count does, and its modules stay as long as it is there; without it they go. `rmmod`'s table names the
//! scenarios, and a test of it looks for them.
//!
//! What a kernel does not have as a module is noted by name.

mod devices;
mod disks;
mod kept;
mod rules;
mod sockets;
mod traffic;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{goes, on_demand, on_demand_by_name, ours, pass, stays, without_interval};
use crate::catalog::Group;
use crate::program::rmmod;
use crate::scenarios::PATIENCE;
use crate::world::{World, loaded_modules};

/// See the module.
pub const GROUP: Group = Group::new(
    "classes",
    &[
        ours("sockets-hold-their-families", sockets::FAMILIES_MODULES, sockets::families).within(240),
        ours("sockets-hold-their-protocols", sockets::PROTOCOLS_MODULES, sockets::protocols).within(240),
        ours("sockets-hold-protocols-of-can", sockets::CAN_MODULES, sockets::can).within(240),
        ours("an-association-of-ipsec-holds-its-algorithm", sockets::IPSEC_MODULES, sockets::ipsec),
        ours("a-registered-binary-format-holds-its-file-system", &["binfmt_misc"], devices::binary_format),
        ours("open-devices-hold-their-modules", &[], devices::open).if_there(&["fuse", "cuse", "autofs4"]),
        ours("a-queueing-discipline-for-new-interfaces-is-kept", &["sch_fq"], traffic::new_interfaces),
        ours("filters-hold-their-classifier", &["sch_ingress", "cls_basic"], traffic::filter),
        ours("actions-that-no-filter-uses-hold-their-kind", &["act_gact"], traffic::action),
        ours("rules-hold-their-matches", rules::MODULES, rules::matches).within(180),
        ours("sets-hold-their-type", &["ip_set_hash_ip"], rules::set),
        ours("tables-of-the-device-mapper-hold-their-target", &["dm_zero"], disks::mapper),
        ours("arrays-hold-their-level", &["brd", "raid1"], disks::arrays)
            .if_there(&["linear", "multipath", "faulty"])
            .within(180),
        ours("families-with-more-than-sockets-are-kept", kept::FAMILIES_MODULES, kept::families).within(300),
        ours("labels-and-addresses-without-a-count-are-kept", kept::STATE_MODULES, kept::state),
        ours("a-listener-without-a-count-is-kept", &["vsock_loopback"], kept::listener),
        ours("cells-without-a-count-are-kept", &["kafs", "pcbc", "fcrypt"], kept::cells),
        ours("priorities-of-algorithms-are-kept", &["rmd160", "crypto_user", "algif_hash"], kept::priorities),
    ],
);

/// How many users the kernel counts of a module.
fn users(module: &str) -> Result<i64> {
    Ok(loaded_modules()?.get(module).with_context(|| format!("{module} is not loaded"))?.users)
}

/// What is there now holds counts of these modules, so they stay.
fn held(world: &World, modules: &[&str]) -> Result<()> {
    for module in modules {
        ensure!(users(module)? > 0, "nothing holds a count of {module}");
    }
    stays(world, modules)
}

/// What held these modules is gone, perhaps a moment later: they go.
fn let_go(world: &World, modules: &[&str]) -> Result<()> {
    modules.iter().try_for_each(|module| rests(module))?;
    goes(world, modules)
}

/// Waits until nothing holds a count of this module.
fn rests(module: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while users(module)? > 0 {
        ensure!(Instant::now() < deadline, "{module} still has {} users", users(module)?);
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Nothing holds a count of this module, and it stays because its class is not trusted.
fn kept(world: &World, module: &str) -> Result<()> {
    ensure!(users(module)? == 0, "{module} has {} users, so this shows nothing", users(module)?);
    stays(world, &[module])?;
    let told = rmmod(&["-a", "-n"])?.stdout;
    let line = told.lines().find(|line| line.split_whitespace().next() == Some(module)).unwrap_or_default();
    ensure!(line.contains("prove nothing"), "{module} is kept, but not for its class: {line:?}");
    Ok(())
}
