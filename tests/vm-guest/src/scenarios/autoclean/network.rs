//! Modules behind network interfaces: the kernel counts no users of them, and unloading one takes its interfaces
//! away without asking. Whatever the passes do, packets go through afterwards.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{goes, on_demand, on_demand_by_name, stays, stays_by_evidence};
use crate::ask;
use crate::neighbour::{Neighbour, answers, wire};
use crate::netlink;
use crate::program::shell;
use crate::wireguard::{self, KEYS, Side};
use crate::world::{SYS, WORK, World, loaded_modules};

/// The neighbour's address, on the interface `far`.
const FAR: &str = "10.9.0.2";

fn give_far_address(neighbour: &Neighbour, far: &str) -> Result<()> {
    neighbour.shell(&format!("ip link set {far} up; ip addr add {FAR}/24 dev {far}")).map(drop)
}

/// Brings an interface up with an address in the neighbour's network.
fn give_near_address(near: &str) -> Result<()> {
    shell(&format!("ip link set {near} up; ip addr add 10.9.0.1/24 dev {near}")).map(drop)
}

pub(super) fn dummy(world: &mut World) -> Result<()> {
    on_demand(|| netlink::create("dummy", "vmdummy"))?.context("the link")?;
    shell("ip link set vmdummy up; ip addr add 10.8.0.1/24 dev vmdummy")?;
    stays(world, &["dummy"])?;
    let sent = || -> Result<u64> {
        let path = Path::new(SYS).join("class/net/vmdummy/statistics/tx_packets");
        Ok(fs::read_to_string(path)?.trim().parse()?)
    };
    let before = sent()?;
    UdpSocket::bind("10.8.0.1:0")?.send_to(b"x", "10.8.0.2:9")?;
    ensure!(sent()? > before, "the interface sends nothing any more");
    Ok(())
}

pub(super) fn veth(world: &mut World) -> Result<()> {
    let neighbour = Neighbour::new()?;
    on_demand(|| wire(&neighbour, "vmnear", "vmfar"))??;
    give_far_address(&neighbour, "vmfar")?;
    give_near_address("vmnear")?;
    answers(FAR)?;
    stays(world, &["veth"])?;
    answers(FAR)
}

pub(super) fn bridge(world: &mut World) -> Result<()> {
    let neighbour = Neighbour::new()?;
    on_demand(|| wire(&neighbour, "vmport", "vmfar"))??;
    on_demand(|| netlink::create("bridge", "vmbr"))?.context("the bridge")?;
    // Without its delay a port forwards at once.
    fs::write(Path::new(SYS).join("class/net/vmbr/bridge/forward_delay"), "0")?;
    shell("brctl addif vmbr vmport")?;
    give_far_address(&neighbour, "vmfar")?;
    give_near_address("vmbr")?;
    answers(FAR)?;
    stays(world, &["bridge", "veth", "stp", "llc"])?;
    answers(FAR)
}

pub(super) fn trusted_bridge(world: &mut World) -> Result<()> {
    on_demand(|| netlink::create("bridge", "vmbr"))?.context("the bridge")?;
    super::configure("autoclean rtnl-link-*\n")?;
    stays(world, &["bridge"])?;
    ask::interface("vmbr").context("the bridge is gone")?;
    netlink::delete("vmbr")?;
    goes(world, &["bridge"])
}

pub(super) fn bond(world: &mut World) -> Result<()> {
    let neighbour = Neighbour::new()?;
    on_demand(|| wire(&neighbour, "vmslave", "vmfar"))??;
    on_demand(|| netlink::create("bond", "vmbond"))?.context("the bond")?;
    shell("ip link set vmslave down; ip link set vmslave master vmbond")?;
    give_far_address(&neighbour, "vmfar")?;
    give_near_address("vmbond")?;
    answers(FAR)?;
    stays(world, &["bonding", "veth"])?;
    answers(FAR)
}

pub(super) fn vlan(world: &mut World) -> Result<()> {
    let neighbour = Neighbour::new()?;
    on_demand(|| wire(&neighbour, "vmnear", "vmfar"))??;
    on_demand(|| shell("ip link add link vmnear name vmvlan type vlan id 5"))??;
    neighbour.shell("ip link add link vmfar name farvlan type vlan id 5")?;
    give_far_address(&neighbour, "farvlan")?;
    give_near_address("vmvlan")?;
    answers(FAR)?;
    stays(world, &["8021q", "veth"])?;
    answers(FAR)
}

pub(super) fn macvlan(world: &mut World) -> Result<()> {
    let neighbour = Neighbour::new()?;
    on_demand(|| wire(&neighbour, "vmnear", "vmfar"))??;
    on_demand(|| shell("ip link add link vmnear name vmmac type macvlan"))??;
    give_far_address(&neighbour, "vmfar")?;
    give_near_address("vmmac")?;
    answers(FAR)?;
    stays(world, &["macvlan", "veth"])?;
    answers(FAR)
}

pub(super) fn tap(world: &mut World) -> Result<()> {
    let node = format!("{WORK}/tun");
    shell(&format!("mknod {node} c 10 200"))?;
    on_demand(|| shell(&format!("tunctl -f {node} -t vmtap")))??;
    shell("ip link set vmtap up")?;
    let index = ask::interface("vmtap").context("the interface")?;
    stays(world, &["tun"])?;
    ensure!(ask::interface("vmtap").context("the interface is gone")? == index, "it is another one");
    // Whoever opens it by its name gets it, with the state that it had.
    shell(&format!("tunctl -f {node} -t vmtap"))?;
    ensure!(ask::interface("vmtap")? == index, "it is another one");
    let flags = fs::read_to_string(Path::new(SYS).join("class/net/vmtap/flags"))?;
    ensure!(u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16)? & 1 == 1, "it is down: {flags}");
    // Kernels differ in whether a persistent interface counts as a use. Without it nothing does.
    shell(&format!("tunctl -f {node} -d vmtap"))?;
    ensure!(loaded_modules()?.get("tun").is_some_and(|tun| tun.users == 0));
    stays(world, &["tun"])
}

pub(super) fn wireguard(world: &mut World) -> Result<()> {
    let (left, right) = (Neighbour::new()?, Neighbour::new()?);
    // The interfaces of this namespace, which are all that sysfs shows to rmmod, tell nothing of it.
    on_demand(|| netlink::create_pair("vmleft", "vmright"))??;
    shell(&format!(
        "ip link set vmleft netns {}; ip link set vmright netns {}",
        left.number(),
        right.number()
    ))?;
    on_demand(|| left.there(|| netlink::generic_family("wireguard")))??.context("the family")?;
    let [own, peer] = KEYS;
    let at = |network, number| Ipv4Addr::new(10, network, 0, number);
    let sides = [
        (&left, "vmleft", 1, Side { own, peer, endpoint: at(9, 2), allowed: at(7, 2) }),
        (&right, "vmright", 2, Side { own: peer, peer: own, endpoint: at(9, 1), allowed: at(7, 1) }),
    ];
    for (neighbour, wire, number, side) in sides {
        neighbour.shell(&format!("ip link set {wire} up; ip addr add {}/24 dev {wire}", at(9, number)))?;
        neighbour.there(|| netlink::create("wireguard", "wg0"))?.context("the interface")?;
        neighbour.there(move || wireguard::configure("wg0", &side))?.context("its keys")?;
        neighbour.shell(&format!("ip addr add {}/24 dev wg0; ip link set wg0 up", at(7, number)))?;
    }
    left.there(|| answers("10.7.0.2"))?.context("before")?;
    stays(world, &["wireguard", "veth"])?;
    left.there(|| answers("10.7.0.2"))?.context("afterwards")?;
    right.there(|| answers("10.7.0.1"))?.context("the other way")
}

pub(super) fn driver(world: &mut World) -> Result<()> {
    on_demand_by_name(world, &["e1000"])?;
    shell("ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0")?;
    // The emulator's own end.
    answers("10.0.2.2")?;
    stays(world, &["e1000"])?;
    stays_by_evidence(world, &["e1000"])?;
    answers("10.0.2.2")
}
