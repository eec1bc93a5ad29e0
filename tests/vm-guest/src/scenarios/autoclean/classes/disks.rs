//! What disks are made of.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::super::record_of;
use super::{held, let_go, on_demand, on_demand_by_name};
use crate::ask;
use crate::mapper::Device;
use crate::world::{SYS, World};

pub(super) fn mapper(world: &mut World) -> Result<()> {
    let control = on_demand(|| ask::character_device(10, 236))?.context("the mapper")?;
    let device = Device::new(control, "vm").context("the device")?;
    on_demand(|| device.load("zero"))?.context("the table")?;
    held(world, &["dm_zero"]).context("of a table that is not active yet")?;
    device.resume()?;
    held(world, &["dm_zero"]).context("of an active table")?;
    device.suspend()?;
    held(world, &["dm_zero"]).context("of a device that is suspended")?;
    device.remove().context("the device's end")?;
    let_go(world, &["dm_zero"])
}

/// An array: its level, by which the kernel asks for `md-LEVEL`, and its module.
const ARRAYS: [(&str, &str); 4] =
    [("raid1", "raid1"), ("linear", "linear"), ("multipath", "multipath"), ("faulty", "faulty")];

/// What the kernel asks for when a tool older than sysfs tells it the level by its number.
const BY_NUMBER: &str = "md-level-1";

pub(super) fn arrays(world: &mut World) -> Result<()> {
    world.configure("disks", "options brd rd_nr=2 rd_size=8192\n")?;
    on_demand(|| ask::block_device(1, 0))?.context("the first disk")?;
    // There is no array yet, and none that would be made by opening.
    let _ = on_demand(|| ask::block_device(9, 0))?;
    for (level, module) in ARRAYS {
        if world.module_file(module).is_err() {
            world.note(&format!("not shown: this kernel has no {module}"))?;
            continue;
        }
        let array = on_demand(|| assemble(level, level))
            .and_then(|made| made.context("the array"))
            .with_context(|| level.to_owned())?;
        let record = fs::read_to_string(record_of(module))?;
        ensure!(record.contains(&format!("request=md-{level}\n")), "{level}: {record}");
        held(world, &[module])?;
        end(&array)?;
        let_go(world, &[module])?;
    }
    on_demand_by_name(world, &[BY_NUMBER])?;
    let array = assemble("by_number", "raid1")?;
    held(world, &["raid1"])?;
    end(&array)?;
    let_go(world, &["raid1"])
}

fn end(array: &str) -> Result<()> {
    fs::write(Path::new(array).join("array_state"), "clear").context("the array's end")
}

/// Makes an array without metadata of two disks in memory, and starts it; gives its directory.
fn assemble(name: &str, level: &str) -> Result<String> {
    let name = format!("md_{name}");
    fs::write(Path::new(SYS).join("module/md_mod/parameters/new_array"), &name)
        .with_context(|| name.clone())?;
    let array = format!("{SYS}/block/{name}/md");
    let set = |file: &str, value: &str| {
        fs::write(Path::new(&array).join(file), value).with_context(|| format!("{file}: {value}"))
    };
    set("metadata_version", "none")?;
    set("level", level)?;
    set("raid_disks", "2")?;
    for disk in 0..2 {
        set("new_dev", &format!("1:{disk}"))?;
        set(&format!("dev-ram{disk}/slot"), &disk.to_string())?;
    }
    set("component_size", "4096")?;
    set("array_state", "active")?;
    Ok(array)
}
