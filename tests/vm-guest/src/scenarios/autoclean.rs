//! `rmmod -a`: what the kernel loaded on demand goes when nobody uses it, and nothing that serves anybody does.
//!
//! Every module here comes in by a request of the kernel. Nobody sleeps between two passes: the interval is
//! configured to 0, and the scenario about the interval leaves it as it is and expects nothing to go.
//!
//! What is here is shared: passes, and what is expected of them. [`idle`] shows what goes and [`used`] what
//! stays; [`network`] and [`storage`] hold the modules that serve although their use count is 0, and show that
//! they still do afterwards; [`passes`] is about the passes themselves, and [`classes`] about what holds a count.

mod classes;
mod idle;
mod network;
mod passes;
mod storage;
mod used;

pub use classes::GROUP as CLASSES;
pub(super) use passes::{requests_beside, slow_beside};

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::program::rmmod;
use crate::world::{PROC, SYS, World, loaded_modules, long_ago};

/// See the module.
pub const GROUP: Group = Group {
    devices: &["-netdev", "user,id=net,restrict=on", "-device", "e1000,netdev=net,romfile="],
    disk_mib: 16,
    ..Group::new("autoclean", SCENARIOS)
};

const SCENARIOS: &[Scenario] = &[
    ours("a-module-that-the-kernel-asked-for-is-recorded", &["vfat"], used::recorded),
    ours("an-idle-file-system-goes-at-the-second-pass", &["minix"], idle::file_system),
    ours("what-an-idle-module-needed-goes-after-it", &["vfat"], idle::chain),
    ours("an-idle-family-goes", &["can"], idle::family),
    ours("an-idle-algorithm-goes-with-its-interface", &["algif_hash", "rmd160"], idle::algorithm),
    ours("an-idle-congestion-control-goes-where-a-line-says-so", &["tcp_vegas"], idle::congestion_control),
    ours("an-idle-binary-format-goes", &["minix"], idle::binary_format),
    ours(
        "an-idle-character-set-goes",
        &["vfat", "nls_cp850", "nls_ascii", "virtio_blk", "virtio_pci"],
        idle::character_set,
    ),
    ours("an-idle-queueing-discipline-goes", &["sch_fq"], idle::queueing_discipline),
    ours("an-idle-traffic-action-goes", &["act_gact"], idle::traffic_action),
    ours("an-idle-module-of-every-other-trusted-class-goes", idle::CLASSES_MODULES, idle::classes),
    ours("an-idle-protocol-of-can-goes-at-the-second-pass", &["can", "can-raw"], idle::protocol),
    ours("asking-about-a-module-does-not-keep-it", &["minix"], idle::asked_about),
    ours("an-install-command-loads-on-behalf-of-the-request", &["minix"], idle::install_command),
    ours("a-mounted-file-system-stays", &["binfmt_misc"], used::mounted),
    ours("an-open-socket-keeps-all-that-it-uses", &["algif_hash", "rmd160"], used::open_socket),
    ours("a-selected-congestion-control-stays", &["tcp_vegas"], used::selected),
    ours("a-congestion-control-that-a-route-chose-stays", &["tcp_htcp"], used::route),
    ours("families-with-routes-and-addresses-stay", &["mpls_router", "phonet"], used::families),
    ours("a-registered-packet-filter-table-stays", &["iptable_filter"], used::table),
    ours("a-module-loaded-by-hand-stays", &["minix"], used::by_hand),
    ours("a-module-loaded-at-every-boot-stays", &["minix"], used::at_boot),
    ours("a-module-pinned-later-stays-with-what-it-needs", &["vfat"], used::pinned),
    ours("a-module-wanted-while-run-is-full-stays", &["minix"], used::pinned_in_full_run),
    ours("a-module-wanted-where-run-cannot-be-written-is-told", &["minix"], used::pinned_in_fixed_run),
    ours("a-module-wanted-where-run-is-another-stays", &["minix"], used::pinned_elsewhere),
    ours("a-use-that-can-be-noted-nowhere-does-not-count", &["minix"], used::pinned_nowhere),
    ours("the-hint-of-a-refusal-says-who-uses-the-module", &["binfmt_misc", "uinput"], used::hint),
    ours("dummy-stays-and-still-sends", &["dummy"], network::dummy),
    ours("veth-stays-and-still-carries", &["veth"], network::veth),
    ours("a-bridge-with-a-port-stays-and-still-carries", &["bridge", "veth"], network::bridge),
    ours("a-bridge-stays-also-where-its-class-is-trusted", &["bridge"], network::trusted_bridge),
    ours("a-bond-stays-and-still-carries", &["bonding", "veth"], network::bond),
    ours("a-vlan-stays-and-still-carries", &["8021q", "veth"], network::vlan),
    ours("macvlan-stays-and-still-carries", &["macvlan", "veth"], network::macvlan),
    ours("a-persistent-tap-stays-though-nobody-has-it-open", &["tun"], network::tap),
    ours("wireguard-in-other-namespaces-stays-and-still-carries", &["wireguard", "veth"], network::wireguard)
        .within(180),
    ours("a-network-driver-with-its-interface-up-stays-and-still-carries", &["e1000"], network::driver),
    ours("zram-stays-with-its-data", &["zram"], storage::zram),
    ours(
        "the-driver-of-a-mounted-disk-stays-with-its-data",
        &["virtio_blk", "virtio_pci", "vfat", "nls_cp437", "nls_ascii"],
        storage::disk,
    ),
    ours("nothing-goes-before-the-interval", &["minix"], passes::before_the_interval),
    ours("a-load-between-two-passes-starts-over", &["minix"], passes::reload),
    ours("a-module-asked-for-just-now-stays-whatever-the-interval", &["minix"], passes::asked_for),
    ours("nobody-who-asks-beside-passes-in-a-loop-goes-without", &["can", "can-bcm", "can-raw"], |world| {
        requests_beside(world, 60)
    })
    .within(900),
    ours("a-dry-run-unloads-nothing", &["minix"], passes::dry_run),
    ours("names-restrict-a-pass", &["minix", "efs"], passes::names),
    ours("a-remove-command-is-run-instead-of-the-removal", &["minix"], passes::remove_command),
    ours("what-was-removed-is-logged-on-demand", &["minix"], passes::logged),
    ours("a-second-pass-at-the-same-time-leaves-at-once", &["minix"], passes::two_at_once),
    ours("passes-race-with-mounts-and-nothing-is-lost", &["binfmt_misc"], passes::race),
];

/// Only ours can pass any of these.
const fn ours(
    name: &'static str,
    modules: &'static [&'static str],
    run: fn(&mut World) -> Result<()>,
) -> Scenario {
    Scenario::new(name, modules, run).ours_only()
}

/// The record of a module.
fn record_of(module: &str) -> PathBuf {
    Path::new("/run/modutils/autoloaded").join(module)
}

/// The lines by which a record says which load it is about.
fn identity(module: &str) -> Result<String> {
    let inode = fs::metadata(Path::new(SYS).join("module").join(module))?.ino();
    let boot = fs::read_to_string(Path::new(PROC).join("sys/kernel/random/boot_id"))?;
    Ok(format!("inode={inode}\nboot={boot}"))
}

/// Whether there is a record of the present load of a module.
fn is_recorded(module: &str) -> Result<bool> {
    let identity = identity(module)?;
    Ok(fs::read_to_string(record_of(module)).is_ok_and(|text| text.contains(&identity)))
}

/// Does what makes the kernel ask, and fails unless every module that came in is recorded and at least one did.
fn on_demand<T>(action: impl FnOnce() -> T) -> Result<T> {
    let before: BTreeSet<String> = loaded_modules()?.into_keys().collect();
    let outcome = action();
    let after: BTreeSet<String> = loaded_modules()?.into_keys().collect();
    let fresh: Vec<_> = after.difference(&before).collect();
    ensure!(!fresh.is_empty(), "no module came in");
    for module in fresh {
        ensure!(is_recorded(module)?, "{module} came in and is not recorded");
    }
    Ok(outcome)
}

/// Makes the kernel ask for modules by their plain names, as it does for an interface that it does not know. Where
/// the request that programs cause needs more than a scenario can make, this one stands in for it. What this kernel
/// has built in is there already.
fn on_demand_by_name(world: &World, modules: &[&str]) -> Result<()> {
    for module in modules {
        if world.has_built_in(module)? {
            continue;
        }
        let found = on_demand(|| ask::interface(module)).with_context(|| (*module).to_owned())?;
        ensure!(found.is_err(), "there is an interface {module}");
    }
    Ok(())
}

/// From now on the second pass unloads, however soon it comes.
pub(super) fn without_interval() -> Result<()> {
    configure("interval 0\n")
}

/// Adds lines to the configuration of autoclean.
fn configure(lines: &str) -> Result<()> {
    use std::io::Write as _;
    fs::create_dir_all("/etc/modutils.d")?;
    let mut file = fs::OpenOptions::new().append(true).create(true).open("/etc/modutils.d/vm.conf")?;
    Ok(file.write_all(lines.as_bytes())?)
}

/// A pass of autoclean some time later, which must be silent and succeed.
fn pass() -> Result<()> {
    long_ago()?;
    let ended = rmmod(&["-a"])?;
    ended.expect_code(0)?;
    ensure!(ended.stdout.is_empty() && ended.stderr.is_empty(), "a pass said something: {ended:?}");
    Ok(())
}

/// What a pass would do, for the reason of a failure.
fn explanation() -> String {
    rmmod(&["-a", "-n"]).map_or_else(|error| format!("{error:#}"), |ended| ended.stdout)
}

/// Two passes unload these modules, and the first does not.
fn goes(world: &World, modules: &[&str]) -> Result<()> {
    without_interval()?;
    world.expect_loaded(modules)?;
    pass()?;
    world.expect_loaded(modules).context("after the first pass")?;
    pass()?;
    world.expect_absent(modules).with_context(explanation)
}

/// Four passes leave these modules where they are.
fn stays(world: &World, modules: &[&str]) -> Result<()> {
    without_interval()?;
    world.expect_loaded(modules)?;
    for _ in 0..4 {
        pass()?;
    }
    world.expect_loaded(modules)
}

/// The same although the use counts of all modules count as proof: only evidence keeps them.
fn stays_by_evidence(world: &World, modules: &[&str]) -> Result<()> {
    configure("autoclean *\n")?;
    stays(world, modules)
}
