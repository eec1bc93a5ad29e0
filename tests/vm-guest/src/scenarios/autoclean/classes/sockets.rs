//! Families and protocols of sockets, and algorithms.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use rustix::net::SocketType;

use super::{held, let_go, on_demand, pass, users};
use crate::ask;
use crate::ipsec;
use crate::world::{World, loaded_modules};

/// A socket: its family, type and protocol, and the module that it holds.
struct Row {
    family: u16,
    kind: SocketType,
    protocol: u32,
    module: &'static str,
    /// The alias, where Debian's kernel leaves it out of the module.
    alias: Option<&'static str>,
    /// Whether it has sockets of its own, so that it stays once it is there.
    holds_itself: bool,
}

const fn row(family: u16, kind: SocketType, protocol: u32, module: &'static str) -> Row {
    Row { family, kind, protocol, module, alias: None, holds_itself: false }
}

const FAMILIES: [Row; 6] = [
    row(15, SocketType::RAW, 2, "af_key"),
    row(17, SocketType::RAW, 0, "af_packet"),
    row(24, SocketType::STREAM, 0, "pppoe"),
    row(26, SocketType::STREAM, 0, "llc2"),
    Row { alias: Some("net-pf-36"), ..row(36, SocketType::RAW, 0, "ieee802154_socket") },
    row(41, SocketType::DGRAM, 0, "kcm"),
];

pub(super) const FAMILIES_MODULES: &[&str] =
    &["af_key", "af_packet", "pppoe", "llc2", "ieee802154_socket", "kcm"];

const PROTOCOLS: [Row; 4] = [
    Row { holds_itself: true, ..row(2, SocketType::STREAM, 132, "sctp") },
    row(2, SocketType::DGRAM, 115, "l2tp_ip"),
    row(10, SocketType::DGRAM, 115, "l2tp_ip6"),
    Row {
        alias: Some("net-pf-2-proto-33"),
        holds_itself: true,
        ..row(2, SocketType::from_raw(6), 33, "dccp_ipv4")
    },
];

pub(super) const PROTOCOLS_MODULES: &[&str] = &["sctp", "crc32c_generic", "l2tp_ip", "l2tp_ip6", "dccp_ipv4"];

const CAN: [Row; 3] = [
    row(29, SocketType::DGRAM, 2, "can_bcm"),
    row(29, SocketType::DGRAM, 6, "can_isotp"),
    row(29, SocketType::DGRAM, 7, "can_j1939"),
];

pub(super) const CAN_MODULES: &[&str] = &["can", "can_bcm", "can_isotp", "can_j1939"];

fn all(world: &World, rows: &[Row]) -> Result<()> {
    let aliases: Vec<_> =
        rows.iter().filter_map(|row| Some(format!("alias {} {}\n", row.alias?, row.module))).collect();
    world.configure("aliases", &aliases.concat())?;
    for Row { family, kind, protocol, module, holds_itself, .. } in rows {
        if world.has_built_in(module)? {
            world.note(&format!("not shown: {module} is a part of this kernel"))?;
            continue;
        }
        let socket = on_demand(|| ask::socket(*family, *kind, *protocol))
            .and_then(|socket| socket.context("the socket"))
            .with_context(|| (*module).to_owned())?;
        held(world, &[module])?;
        drop(socket);
        if *holds_itself && users(module)? > 0 {
            held(world, &[module])?;
            world.note(&format!("{module} holds itself by sockets of its own, and never goes"))?;
        } else {
            let_go(world, &[module])?;
        }
    }
    Ok(())
}

pub(super) fn families(world: &mut World) -> Result<()> {
    all(world, &FAMILIES)?;
    // The family came in before its protocol.
    pass()?;
    pass()?;
    world.expect_absent(&["pppox"])
}

pub(super) fn protocols(world: &mut World) -> Result<()> {
    let before: BTreeSet<String> = loaded_modules()?.into_keys().collect();
    let shown = all(world, &PROTOCOLS);
    // Those that hold themselves cannot be removed, with what they need.
    let loaded = loaded_modules()?;
    let held = loaded.iter().filter(|(name, module)| module.users > 0 && !before.contains(*name));
    let held: Vec<&str> = held.map(|(name, _)| name.as_str()).collect();
    world.leaves_behind(&held)?;
    shown
}

pub(super) fn can(world: &mut World) -> Result<()> {
    all(world, &CAN)
}

pub(super) const IPSEC_MODULES: &[&str] = &["xfrm_user", "ah4", "rmd160"];

/// Nobody has a socket open: the association is all that there is.
pub(super) fn ipsec(world: &mut World) -> Result<()> {
    on_demand(|| ipsec::add("hmac(rmd160)"))?.context("the association")?;
    held(world, &["rmd160"])?;
    ipsec::delete().context("the association's end")?;
    let_go(world, &["rmd160"])
}
