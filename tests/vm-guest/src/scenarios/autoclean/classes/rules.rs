//! Rules and sets of packet filters.

use anyhow::{Context as _, Result};

use super::{held, let_go, on_demand, on_demand_by_name};
use crate::netfilter::{self, INET, INET6, Match};
use crate::world::World;

pub(super) const MODULES: &[&str] = &["nft_compat", "crc32c_generic", "xt_comment", "ipt_ah", "ip6t_ah"];

/// The authentication header, whose match in IPv4 is for that protocol only.
const AH: u32 = 51;

const MATCHES: [(Match<'_>, &str); 3] = [
    (Match { family: INET, name: "comment", protocol: 0, data: &[b'c'; 256] }, "xt_comment"),
    (Match { family: INET, name: "ah", protocol: AH, data: &[0; 12] }, "ipt_ah"),
    (Match { family: INET6, name: "ah", protocol: 0, data: &[0; 16] }, "ip6t_ah"),
];

pub(super) fn matches(world: &mut World) -> Result<()> {
    for (found, module) in MATCHES {
        on_demand(|| netfilter::add_rule(found))
            .and_then(|added| added.context("the rule"))
            .with_context(|| module.to_owned())?;
        held(world, &[module])?;
        netfilter::delete_rule(found.family).context("the rule's end")?;
        let_go(world, &[module])?;
    }
    // Nothing asks by the name of the module today, but its name is of the class.
    on_demand_by_name(world, &["xt_comment"])?;
    let_go(world, &["xt_comment"])
}

pub(super) fn set(world: &mut World) -> Result<()> {
    on_demand(|| netfilter::add_set("hash:ip"))?.context("the set")?;
    held(world, &["ip_set_hash_ip"])?;
    netfilter::delete_set().context("the set's end")?;
    let_go(world, &["ip_set_hash_ip"])
}
