//! Settings below `net/` are those of the host, wherever modprobe and rmmod run.

use anyhow::{Result, ensure};

use super::{Value, configure, quietly, saved};
use crate::neighbour::Neighbour;
use crate::program::{modprobe, rmmod};
use crate::world::World;

const CALL: Value = Value("sysctl/net/bridge/bridge-nf-call-iptables");
const MODULE: &[&str] = &["br_netfilter"];

pub(super) fn network(world: &mut World) -> Result<()> {
    configure("persist br_netfilter sysctl net/bridge/*\n")?;
    let neighbour = Neighbour::new()?;
    let is_saved = |value: &str| -> Result<()> {
        let saved = saved("br_netfilter")?;
        ensure!(saved == [format!("sysctl/net/bridge/bridge-nf-call-iptables = {value}")], "{saved:?}");
        Ok(())
    };
    quietly(modprobe(MODULE)?)?;
    CALL.expect("1")?;
    CALL.set("0")?;
    quietly(rmmod(MODULE)?)?;
    is_saved("0")?;
    // Loaded from elsewhere: the host gets its value, the other namespace keeps the kernel's.
    neighbour.there(|| modprobe(MODULE))??;
    CALL.expect("0")?;
    neighbour.there(|| CALL.expect("1"))??;
    quietly(rmmod(MODULE)?)?;
    is_saved("0")?;
    // Unloaded from elsewhere: the host's value is saved, and not what the other namespace has.
    quietly(modprobe(MODULE)?)?;
    CALL.set("1")?;
    neighbour.there(|| CALL.set("0"))??;
    neighbour.there(|| rmmod(MODULE))??.expect_code(0)?;
    world.expect_absent(MODULE)?;
    quietly(modprobe(MODULE)?)?;
    CALL.expect("1")
}
