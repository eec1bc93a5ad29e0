//! Traffic control: what is left when whoever set it up has ended.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{held, let_go, on_demand, stays};
use crate::traffic_control::{self, LOOPBACK};
use crate::world::{PROC, World};

/// The default holds no count; autoclean looks at it.
pub(super) fn new_interfaces(world: &mut World) -> Result<()> {
    let file = Path::new(PROC).join("sys/net/core/default_qdisc");
    let before = fs::read_to_string(&file)?;
    on_demand(|| fs::write(&file, "fq\n"))?.context("the default")?;
    stays(world, &["sch_fq"])?;
    fs::write(&file, before)?;
    let_go(world, &["sch_fq"])
}

pub(super) fn filter(world: &mut World) -> Result<()> {
    on_demand(|| traffic_control::add_ingress(LOOPBACK))?.context("the place for filters")?;
    on_demand(|| traffic_control::add_filter(LOOPBACK, "basic"))?.context("the filter")?;
    held(world, &["cls_basic", "sch_ingress"])?;
    traffic_control::delete_ingress(LOOPBACK).context("the end of both")?;
    let_go(world, &["cls_basic", "sch_ingress"])
}

pub(super) fn action(world: &mut World) -> Result<()> {
    on_demand(traffic_control::add_drop)?.context("the action")?;
    held(world, &["act_gact"])?;
    traffic_control::delete_drop().context("the action's end")?;
    let_go(world, &["act_gact"])
}
