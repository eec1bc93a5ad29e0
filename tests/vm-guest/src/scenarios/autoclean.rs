//! `rmmod -a`: what the kernel loaded on demand goes when nobody uses it, and nothing that serves anybody does.
//!
//! Every module here comes in by the request that programs cause. Nobody sleeps between two passes: the interval
//! is configured to 0, and the scenario about the interval leaves it as it is and expects nothing to go.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use rustix::net::SocketType;

use crate::ask::{self, family};
use crate::catalog::{Group, Scenario};
use crate::netlink;
use crate::program::{modprobe, rmmod};
use crate::world::{PROC, SYS, WORK, World, loaded_modules};

/// See the module.
pub const GROUP: Group = Group::new(
    "autoclean",
    &[
        Scenario::new("a-module-that-the-kernel-asked-for-is-recorded", &["vfat"], recorded).ours_only(),
        Scenario::new("an-idle-file-system-goes-at-the-second-pass", &["minix"], idle_file_system)
            .ours_only(),
        Scenario::new("what-an-idle-module-needed-goes-after-it", &["vfat"], idle_chain).ours_only(),
        Scenario::new("an-idle-family-goes", &["can"], idle_family).ours_only(),
        Scenario::new("an-idle-algorithm-goes", &["algif_hash", "rmd160"], idle_algorithm).ours_only(),
        Scenario::new("an-idle-congestion-control-goes", &["tcp_vegas"], idle_congestion_control).ours_only(),
        Scenario::new("nothing-goes-before-the-interval", &["minix"], before_the_interval).ours_only(),
        Scenario::new("a-mounted-file-system-stays", &["binfmt_misc"], mounted_stays).ours_only(),
        Scenario::new("an-open-socket-keeps-all-that-it-uses", &["algif_hash", "rmd160"], open_socket_stays)
            .ours_only(),
        Scenario::new("a-selected-congestion-control-stays", &["tcp_vegas"], selected_stays).ours_only(),
        Scenario::new("a-module-loaded-by-hand-stays", &["minix"], by_hand_stays).ours_only(),
        Scenario::new("a-module-pinned-later-stays", &["minix"], pinned_stays).ours_only(),
        Scenario::new("dummy-stays-with-its-interface", &["dummy"], dummy_stays).ours_only(),
        Scenario::new("a-bridge-with-a-port-stays", &["bridge", "dummy"], bridge_stays).ours_only(),
        Scenario::new("a-bridge-stays-also-where-its-class-is-trusted", &["bridge"], trusted_bridge_stays)
            .ours_only(),
        Scenario::new("veth-and-bond-stay-with-their-interfaces", &["veth", "bonding"], veth_and_bond_stay)
            .ours_only(),
        Scenario::new("tun-stays-though-nobody-has-it-open", &["tun"], tun_stays).ours_only(),
        Scenario::new("wireguard-stays", &["wireguard"], wireguard_stays).ours_only(),
        Scenario::new("a-load-between-two-passes-starts-over", &["minix"], reload_starts_over).ours_only(),
        Scenario::new("a-dry-run-unloads-nothing", &["minix"], dry_run).ours_only(),
        Scenario::new("passes-race-with-mounts-and-nothing-is-lost", &["binfmt_misc"], race).ours_only(),
    ],
);

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

/// Does what makes the kernel ask for `request`, and sees to it that every module that came in is recorded, also
/// where the modprobe under test does not record yet. That it does is shown by the first scenario.
fn on_demand<T>(request: &str, action: impl FnOnce() -> io::Result<T>) -> Result<io::Result<T>> {
    let before: BTreeSet<String> = loaded_modules()?.into_keys().collect();
    let outcome = action();
    for module in loaded_modules()?.into_keys().filter(|name| !before.contains(name)) {
        if !is_recorded(&module)? {
            let text = format!("request={request}\nrole=target\nloaded=0\n{}", identity(&module)?);
            fs::create_dir_all("/run/modutils/autoloaded")?;
            fs::write(record_of(&module), text)?;
        }
    }
    Ok(outcome)
}

/// From now on the second pass unloads, however soon it comes.
fn without_interval() -> Result<()> {
    fs::create_dir_all("/etc/modutils.d")?;
    Ok(fs::write("/etc/modutils.d/vm.conf", "interval 0\n")?)
}

/// A pass of autoclean, which must be silent and succeed.
fn pass() -> Result<()> {
    let ended = rmmod(&["-a"])?;
    ended.expect_code(0)?;
    ensure!(ended.stdout.is_empty() && ended.stderr.is_empty(), "a pass said something: {ended:?}");
    Ok(())
}

/// What a pass would do, for the reason of a failure.
fn explanation() -> String {
    rmmod(&["-a", "-n"]).map_or_else(|error| format!("{error:#}"), |ended| format!("{ended:?}"))
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

fn recorded(world: &mut World) -> Result<()> {
    let _ = ask::file_system("vfat");
    world.expect_loaded(&["vfat", "fat"])?;
    for (module, role) in [("fat", "dependency"), ("vfat", "target")] {
        let text = fs::read_to_string(record_of(module)).with_context(|| format!("no record of {module}"))?;
        let lines: Vec<_> = text.lines().collect();
        ensure!(lines.contains(&"request=fs-vfat"), "{text}");
        ensure!(lines.contains(&format!("role={role}").as_str()), "{text}");
        ensure!(is_recorded(module)?, "not of this load: {text}");
    }
    Ok(())
}

fn idle_file_system(world: &mut World) -> Result<()> {
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    goes(world, &["minix"])?;
    ensure!(!record_of("minix").exists(), "the record is still there");
    Ok(())
}

fn idle_chain(world: &mut World) -> Result<()> {
    let _ = on_demand("fs-vfat", || ask::file_system("vfat"))?;
    goes(world, &["vfat"])?;
    world.expect_loaded(&["fat"]).context("in the pass that unloaded vfat")?;
    pass()?;
    world.expect_absent(&["fat"])
}

fn idle_family(world: &mut World) -> Result<()> {
    let _ = on_demand("net-pf-29", || ask::socket(family::CAN, SocketType::RAW, 7))?;
    goes(world, &["can"])
}

fn idle_algorithm(world: &mut World) -> Result<()> {
    drop(on_demand("crypto-rmd160", || ask::crypto("hash", "rmd160"))?.context("the socket")?);
    goes(world, &["rmd160"])
}

fn idle_congestion_control(world: &mut World) -> Result<()> {
    drop(on_demand("tcp_vegas", || ask::congestion_control("vegas"))?.context("the socket")?);
    goes(world, &["tcp_vegas"])
}

fn before_the_interval(world: &mut World) -> Result<()> {
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    for _ in 0..3 {
        pass()?;
    }
    world.expect_loaded(&["minix"])
}

fn mounted_stays(world: &mut World) -> Result<()> {
    on_demand("fs-binfmt_misc", || ask::file_system("binfmt_misc"))?.context("the mount")?;
    stays(world, &["binfmt_misc"])?;
    let place = format!("{WORK}/mount-binfmt_misc");
    ensure!(Path::new(&place).join("status").exists(), "the mount does not work any more");
    unmount(&place, UnmountFlags::empty())?;
    goes(world, &["binfmt_misc"])
}

fn open_socket_stays(world: &mut World) -> Result<()> {
    let socket = on_demand("crypto-rmd160", || ask::crypto("hash", "rmd160"))?.context("the socket")?;
    stays(world, &["af_alg", "algif_hash", "rmd160"])?;
    drop(socket);
    goes(world, &["algif_hash", "rmd160"])
}

fn selected_stays(world: &mut World) -> Result<()> {
    let socket = on_demand("tcp_vegas", || ask::congestion_control("vegas"))?.context("the socket")?;
    stays(world, &["tcp_vegas"])?;
    drop(socket);
    fs::write(Path::new(PROC).join("sys/net/ipv4/tcp_congestion_control"), "vegas")?;
    stays(world, &["tcp_vegas"])?;
    fs::write(Path::new(PROC).join("sys/net/ipv4/tcp_congestion_control"), "cubic")?;
    goes(world, &["tcp_vegas"])
}

fn by_hand_stays(world: &mut World) -> Result<()> {
    modprobe(&["minix"])?;
    stays(world, &["minix"])
}

fn pinned_stays(world: &mut World) -> Result<()> {
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    modprobe(&["minix"])?;
    stays(world, &["minix"])
}

fn dummy_stays(world: &mut World) -> Result<()> {
    on_demand("rtnl-link-dummy", || netlink_io(netlink::create("dummy", "vmdummy")))?.context("the link")?;
    stays(world, &["dummy"])?;
    ask::interface("vmdummy").context("the interface is gone")?;
    Ok(())
}

fn bridge_stays(world: &mut World) -> Result<()> {
    on_demand("rtnl-link-bridge", || netlink_io(netlink::create("bridge", "vmbr")))?.context("the bridge")?;
    on_demand("rtnl-link-dummy", || netlink_io(netlink::create("dummy", "vmport")))?.context("the port")?;
    let (bridge, port) = (ask::interface("vmbr")?, ask::interface("vmport")?);
    netlink::enslave(port, bridge)?;
    stays(world, &["bridge", "dummy", "stp", "llc"])?;
    ask::interface("vmbr").context("the bridge is gone")?;
    Ok(())
}

fn trusted_bridge_stays(world: &mut World) -> Result<()> {
    on_demand("rtnl-link-bridge", || netlink_io(netlink::create("bridge", "vmbr")))?.context("the bridge")?;
    without_interval()?;
    fs::write("/etc/modutils.d/trust.conf", "autoclean rtnl-link-*\n")?;
    stays(world, &["bridge"])?;
    netlink::delete("vmbr")?;
    goes(world, &["bridge"])
}

fn veth_and_bond_stay(world: &mut World) -> Result<()> {
    on_demand("rtnl-link-veth", || netlink_io(netlink::create("veth", "vmveth")))?.context("the pair")?;
    on_demand("rtnl-link-bond", || netlink_io(netlink::create("bond", "vmbond")))?.context("the bond")?;
    stays(world, &["veth", "bonding"])?;
    ask::interface("vmveth").context("the pair is gone")?;
    ask::interface("vmbond").context("the bond is gone")?;
    Ok(())
}

fn tun_stays(world: &mut World) -> Result<()> {
    drop(on_demand("char-major-10-200", || ask::character_device(10, 200))?.context("the device")?);
    stays(world, &["tun"])
}

fn wireguard_stays(world: &mut World) -> Result<()> {
    let request = "net-pf-16-proto-16-family-wireguard";
    let _ = on_demand(request, || netlink_io(netlink::generic_family("wireguard")))?;
    stays(world, &["wireguard"])
}

fn reload_starts_over(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    pass()?;
    rmmod(&["minix"])?.expect_code(0)?;
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    pass()?;
    world.expect_loaded(&["minix"]).context("the first pass after the new load")?;
    pass()?;
    world.expect_absent(&["minix"])
}

fn dry_run(world: &mut World) -> Result<()> {
    without_interval()?;
    let _ = on_demand("fs-minix", || ask::file_system("minix"))?;
    pass()?;
    let ended = rmmod(&["-a", "-n"])?;
    ended.expect_code(0)?;
    ensure!(ended.stdout.contains("minix") && ended.stdout.contains("goes now"), "{ended:?}");
    world.expect_loaded(&["minix"])
}

fn race(_: &mut World) -> Result<()> {
    const ROUNDS: usize = 20;
    without_interval()?;
    let place = format!("{WORK}/mount-binfmt_misc");
    let mounts = std::thread::spawn(move || -> Result<()> {
        for round in 0..ROUNDS {
            // A mount loads the module anew if a pass has just unloaded it.
            on_demand("fs-binfmt_misc", || ask::file_system("binfmt_misc"))?
                .with_context(|| format!("mount {round}"))?;
            let status = fs::read_to_string(Path::new(&place).join("status"))?;
            ensure!(status.trim() == "enabled", "round {round}: {status}");
            unmount(&place, UnmountFlags::empty())?;
        }
        Ok(())
    });
    for _ in 0..ROUNDS {
        pass()?;
    }
    mounts.join().map_err(|_| anyhow::anyhow!("the mounting thread panicked"))?
}

fn netlink_io(outcome: Result<(), impl Into<anyhow::Error>>) -> io::Result<()> {
    outcome.map_err(|error| io::Error::other(error.into().to_string()))
}
