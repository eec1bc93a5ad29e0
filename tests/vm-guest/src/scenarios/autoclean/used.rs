//! What stays: modules in use, and modules that somebody wants.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use rustix::net::SocketType;

use super::{
    configure, goes, is_recorded, on_demand, on_demand_by_name, record_of, stays, stays_by_evidence,
    without_interval,
};
use crate::ask;
use crate::netlink;
use crate::program::{modprobe, rmmod, run};
use crate::world::{PROC, WORK, World};

pub(super) fn recorded(world: &mut World) -> Result<()> {
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

pub(super) fn mounted(world: &mut World) -> Result<()> {
    on_demand(|| ask::file_system("binfmt_misc"))?.context("the mount")?;
    stays(world, &["binfmt_misc"])?;
    let place = format!("{WORK}/mount-binfmt_misc");
    ensure!(Path::new(&place).join("status").exists(), "the mount does not work any more");
    unmount(&place, UnmountFlags::empty())?;
    goes(world, &["binfmt_misc"])
}

pub(super) fn open_socket(world: &mut World) -> Result<()> {
    let socket = on_demand(|| ask::crypto("hash", "rmd160"))?.context("the socket")?;
    stays(world, &["af_alg", "algif_hash", "rmd160"])?;
    drop(socket);
    goes(world, &["algif_hash", "rmd160"])
}

pub(super) fn route(world: &mut World) -> Result<()> {
    // 1 is the number of the loopback interface.
    netlink::up(1)?;
    on_demand(|| netlink::add_route_with_congestion_control(1, "htcp"))?.context("the route")?;
    stays(world, &["tcp_htcp"])
}

pub(super) fn families(world: &mut World) -> Result<()> {
    for (family, module) in [(28, "mpls_router"), (35, "phonet")] {
        // The first has no sockets at all: asking loads it.
        let _ = on_demand(|| ask::socket(family, SocketType::DGRAM, 0))?;
        stays(world, &[module])?;
    }
    let labels = Path::new(PROC).join("sys/net/mpls/platform_labels");
    fs::write(&labels, "1000")?;
    stays(world, &["mpls_router"])?;
    ensure!(fs::read_to_string(labels)?.trim() == "1000");
    Ok(())
}

pub(super) fn selected(world: &mut World) -> Result<()> {
    configure("autoclean tcp_*\n")?;
    let socket = on_demand(|| ask::congestion_control("vegas"))?.context("the socket")?;
    stays(world, &["tcp_vegas"])?;
    drop(socket);
    let choose = |file: &str, names| fs::write(Path::new(PROC).join("sys/net/ipv4").join(file), names);
    choose("tcp_congestion_control", "vegas")?;
    stays(world, &["tcp_vegas"])?;
    // What once was the default stays allowed to everybody.
    choose("tcp_congestion_control", "cubic")?;
    stays(world, &["tcp_vegas"])?;
    choose("tcp_allowed_congestion_control", "reno cubic")?;
    goes(world, &["tcp_vegas"])
}

pub(super) fn table(world: &mut World) -> Result<()> {
    // Without its parameter the table would wait for the first rule.
    world.configure("table", "options iptable_filter forward=0\n")?;
    on_demand_by_name(world, &["iptable_filter"])?;
    stays_by_evidence(world, &["iptable_filter", "ip_tables"])?;
    let tables = fs::read_to_string(Path::new(PROC).join("net/ip_tables_names"))?;
    ensure!(tables.lines().any(|table| table == "filter"), "the table is gone: {tables}");
    Ok(())
}

pub(super) fn by_hand(world: &mut World) -> Result<()> {
    modprobe(&["minix"])?;
    stays(world, &["minix"])
}

pub(super) fn at_boot(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    fs::write("/etc/modules", "minix\n")?;
    let stayed = stays(world, &["minix"]);
    fs::remove_file("/etc/modules")?;
    stayed?;
    goes(world, &["minix"])
}

pub(super) fn pinned(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("vfat"))?;
    ensure!(is_recorded("vfat")? && is_recorded("fat")?);
    modprobe(&["vfat"])?;
    stays(world, &["vfat", "fat"])
}

/// A `/run` of the scenario's own, small enough to be filled.
struct SmallRun;

impl SmallRun {
    const FILLING: &str = "/run/filling";

    fn new() -> Result<Self> {
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), Some(c"size=64k,mode=755"))?;
        Ok(Self)
    }

    /// To the brim: neither a block nor a part of one is left.
    fn fill() -> Result<()> {
        ensure!(fs::write(Self::FILLING, vec![0; 1 << 20]).is_err(), "it takes more than it should");
        ensure!(fs::write("/run/more", "x").is_err(), "there is still room");
        Ok(fs::remove_file("/run/more")?)
    }
}

impl Drop for SmallRun {
    fn drop(&mut self) {
        // What fails is seen by the scenarios after this one.
        let _ = unmount("/run", UnmountFlags::DETACH);
    }
}

pub(super) fn pinned_in_full_run(world: &mut World) -> Result<()> {
    let _run = SmallRun::new()?;
    let _ = on_demand(|| ask::file_system("minix"))?;
    SmallRun::fill()?;
    let ended = modprobe(&["minix"])?;
    ensure!(ended.stderr.is_empty(), "the record goes instead, and nobody needs to know: {ended:?}");
    ensure!(!record_of("minix").exists(), "the record is still there");
    fs::remove_file(SmallRun::FILLING)?;
    stays(world, &["minix"])
}

pub(super) fn pinned_in_fixed_run(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    // Nothing can be written there, and nothing removed.
    mount_bind("/run/modutils", "/run/modutils")?;
    mount_remount("/run/modutils", MountFlags::BIND | MountFlags::RDONLY, "")?;
    let ended = modprobe(&["-v", "minix"])?;
    let warnings = ended.stderr.lines().filter(|line| line.contains("WARNING")).count();
    ensure!(warnings == 1 && ended.stderr.contains("cannot remember that minix is wanted"), "{ended:?}");
    ensure!(record_of("minix").exists());
    without_interval()?;
    for _ in 0..3 {
        rmmod(&["-a"])?;
    }
    world.expect_loaded(&["minix"])
}

/// As in a chroot, in a container, and in one with a network of its own, which has another sysfs: each has another
/// `/run`, in which the pin is written.
const ELSEWHERE: [&str; 3] = [
    "mount -t tmpfs none /run; /sbin/modprobe minix",
    "umount /sys; mount -t sysfs none /sys; mount -t tmpfs none /run; /sbin/modprobe minix",
    "unshare -n sh -ec 'umount /sys; mount -t sysfs none /sys; mount -t tmpfs none /run; /sbin/modprobe minix'",
];

pub(super) fn pinned_elsewhere(world: &mut World) -> Result<()> {
    for script in ELSEWHERE {
        let _ = on_demand(|| ask::file_system("minix"))?;
        // Another namespace of mounts, so that the system's stay.
        let ended = run("/bin/sh", &["-ec", &format!("unshare -m sh -ec \"{script}\"")])?;
        ended.expect_code(0).with_context(|| script.to_owned())?;
        ensure!(!Path::new("/run/modutils/pinned/minix").exists(), "{script}: it has the same /run");
        stays(world, &["minix"]).with_context(|| script.to_owned())?;
        let told = rmmod(&["-a", "-n"])?.stdout;
        ensure!(told.contains("loaded on purpose where /run is another"), "{script}: {told}");
        // The next load is another matter.
        rmmod(&["minix"])?.expect_code(0)?;
        let _ = on_demand(|| ask::file_system("minix"))?;
        goes(world, &["minix"]).with_context(|| script.to_owned())?;
    }
    Ok(())
}

/// Where sysfs is read only nothing can be noted; rmmod(8) says so, and what to do: a line that keeps the module.
pub(super) fn pinned_nowhere(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("minix"))?;
    let script = "mount -o remount,bind,ro /sys; mount -t tmpfs none /run; /sbin/modprobe minix";
    run("/bin/sh", &["-ec", &format!("unshare -m sh -ec \"{script}\"")])?.expect_code(0)?;
    configure("keep minix\n")?;
    stays(world, &["minix"])?;
    fs::remove_file("/etc/modutils.d/vm.conf")?;
    goes(world, &["minix"])
}

pub(super) fn hint(_: &mut World) -> Result<()> {
    on_demand(|| ask::file_system("binfmt_misc"))?.context("the mount")?;
    let place = format!("{WORK}/mount-binfmt_misc");
    expect_hint("binfmt_misc", &format!("mounted: {place} (binfmt_misc"))?;
    drop(on_demand(|| ask::character_device(10, 223))?.context("the device")?);
    let _open = fs::File::open("/dev/uinput")?;
    let name = fs::read_to_string(Path::new(PROC).join("self/comm"))?;
    expect_hint("uinput", &format!("/dev/uinput by {} ({})", name.trim_end(), std::process::id()))
}

/// A person who wants to know is told why a module cannot go.
fn expect_hint(module: &str, hint: &str) -> Result<()> {
    let ended = rmmod(&["-v", module])?;
    ended.expect_code(1)?;
    let told = ended.stderr.contains(&format!("Module {module} is in use")) && ended.stderr.contains(hint);
    ensure!(told, "{hint}: {ended:?}");
    Ok(())
}
