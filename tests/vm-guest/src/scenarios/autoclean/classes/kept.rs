//! Classes that are not trusted: what there is to lose holds no count.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{Backlog, VsockAddr, bind, connect, listen};
use rustix::net::SocketType;

use super::{kept, let_go, on_demand, rests, stays};
use crate::ask;
use crate::crypto;
use crate::netlink;
use crate::program::rmmod;
use crate::world::{PROC, World};

/// Families, and the module that each needs; Debian's kernel leaves out the aliases of some.
const FAMILIES: [(u16, &str); 11] = [
    (3, "ax25"),
    (5, "appletalk"),
    (6, "netrom"),
    (11, "rose"),
    (21, "rds"),
    (28, "mpls_router"),
    (30, "tipc"),
    (31, "bluetooth"),
    (33, "rxrpc"),
    (35, "phonet"),
    (43, "smc"),
];

pub(super) const FAMILIES_MODULES: &[&str] = &[
    "ax25",
    "appletalk",
    "netrom",
    "rose",
    "rds",
    "mpls_router",
    "tipc",
    "bluetooth",
    "rxrpc",
    // What rxrpc asks for when it begins.
    "pcbc",
    "fcrypt",
    "phonet",
    "smc",
];

pub(super) fn families(world: &mut World) -> Result<()> {
    let aliases = FAMILIES.map(|(family, module)| format!("alias net-pf-{family} {module}\n"));
    world.configure("aliases", &aliases.concat())?;
    world.note("not shown: x25, family 9, which this kernel does not have")?;
    for (family, module) in FAMILIES {
        // Whether there is a socket of this type does not matter.
        let socket =
            on_demand(|| ask::socket(family, SocketType::SEQPACKET, 0)).with_context(|| module.to_owned())?;
        drop(socket);
        if super::users(module)? > 0 {
            stays(world, &[module])?;
            world.note(&format!("{module} counts users without a socket: it would stay anyway"))?;
            continue;
        }
        kept(world, module)?;
    }
    Ok(())
}

pub(super) const STATE_MODULES: &[&str] = &["mpls_router", "phonet", "dummy"];

pub(super) fn state(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::socket(28, SocketType::DGRAM, 0))?;
    let labels = Path::new(PROC).join("sys/net/mpls/platform_labels");
    fs::write(&labels, "1000")?;
    kept(world, "mpls_router")?;
    ensure!(fs::read_to_string(labels)?.trim() == "1000", "the labels are gone");
    netlink::create("dummy", "vmdummy")?;
    let _ = on_demand(|| ask::socket(35, SocketType::DGRAM, 0))?;
    netlink::add_phonet_address(ask::interface("vmdummy")?, 0x64).context("the address")?;
    kept(world, "phonet")?;
    let again = netlink::add_phonet_address(ask::interface("vmdummy")?, 0x64);
    ensure!(again.is_err_and(|error| error.raw_os_error() == Some(17)), "the address is gone");
    Ok(())
}

/// A server waits for others on the same machine. Its socket holds the family, and not what would carry the
/// connection; and the family is there, so the kernel asks for nothing when somebody connects.
pub(super) fn listener(world: &mut World) -> Result<()> {
    const LOCAL: u32 = 1;
    const ANY: u32 = u32::MAX;
    const PORT: u32 = 1234;
    // Debian's kernel has three modules of that alias, two of them for machines that this one is none of.
    world.configure("aliases", "alias net-pf-40 vsock_loopback\n")?;
    let server = on_demand(|| ask::socket(40, SocketType::STREAM, 0))?.context("the server's socket")?;
    bind(server.as_raw_fd(), &VsockAddr::new(ANY, PORT))?;
    listen(&server, Backlog::new(1)?)?;
    kept(world, "vsock_loopback")?;
    let client = ask::socket(40, SocketType::STREAM, 0)?;
    connect(client.as_raw_fd(), &VsockAddr::new(LOCAL, PORT)).context("nobody reaches the server")?;
    Ok(())
}

pub(super) fn cells(world: &mut World) -> Result<()> {
    let _ = on_demand(|| ask::file_system("afs"))?;
    let file = Path::new(PROC).join("net/afs/cells");
    fs::write(&file, "add vm.example 10.0.0.9\n").context("the cell")?;
    kept(world, "kafs")?;
    let listed = fs::read_to_string(file)?;
    ensure!(listed.contains("vm.example"), "the cell is gone: {listed}");
    Ok(())
}

/// As long as the module is there through which priorities are set, algorithms stay, though nothing uses them.
pub(super) fn priorities(world: &mut World) -> Result<()> {
    drop(on_demand(|| ask::crypto("hash", "rmd160"))?.context("the socket")?);
    on_demand(|| crypto::set_priority("rmd160", "rmd160-generic", 777))?.context("the priority")?;
    rests("rmd160")?;
    stays(world, &["rmd160"])?;
    let algorithms = fs::read_to_string(Path::new(PROC).join("crypto"))?;
    let has_priority =
        algorithms.split("\n\n").filter(|algorithm| algorithm.contains("rmd160-generic")).any(|algorithm| {
            algorithm.lines().any(|line| line.starts_with("priority") && line.ends_with(" 777"))
        });
    ensure!(has_priority, "the priority is gone: {algorithms}");
    let told = rmmod(&["-a", "-n"])?.stdout;
    ensure!(told.contains("crypto_user may have configured it"), "{told}");
    rmmod(&["crypto_user"])?.expect_code(0)?;
    let_go(world, &["rmd160"])
}
