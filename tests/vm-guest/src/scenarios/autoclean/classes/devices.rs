//! Open devices, and formats of programs.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};

use super::{held, let_go, on_demand, pass, users, without_interval};
use crate::ask;
use crate::world::{WORK, World, loaded_modules};

/// Devices with the number 10 that a driver of their own has: the second number, and the module.
const DEVICES: [(u32, &str); 3] = [(229, "fuse"), (203, "cuse"), (235, "autofs4")];

pub(super) fn open(world: &mut World) -> Result<()> {
    for (minor, module) in DEVICES {
        if world.has_built_in(module)? {
            world.note(&format!("not shown: {module} is a part of this kernel"))?;
            continue;
        }
        let device = on_demand(|| ask::character_device(10, minor))
            .and_then(|device| device.context("the device"))
            .with_context(|| module.to_owned())?;
        held(world, &[module])?;
        drop(device);
        let_go(world, &[module])?;
    }
    Ok(())
}

/// Kernels before 6.7 keep formats without a mount, and count them; later ones forget them with the last mount.
pub(super) fn binary_format(world: &mut World) -> Result<()> {
    without_interval()?;
    on_demand(|| ask::file_system("binfmt_misc"))?.context("the mount")?;
    let place = format!("{WORK}/mount-binfmt_misc");
    let format = Path::new(&place).join("vm");
    std::fs::write(Path::new(&place).join("register"), ":vm:E::vm::/bin/true:")?;
    unmount(&place, UnmountFlags::empty())?;
    let is_counted = users("binfmt_misc")? > 0;
    if is_counted {
        held(world, &["binfmt_misc"]).context("with a format and no mount")?;
    }
    ask::file_system("binfmt_misc").context("the second mount")?;
    ensure!(format.exists() == is_counted, "kept {is_counted}, and there {}", format.exists());
    world.note(if is_counted { "a format outlives the mount" } else { "a format ends with the mount" })?;
    if is_counted {
        std::fs::write(&format, "-1")?;
    }
    unmount(&place, UnmountFlags::empty())?;
    for _ in 0..2 {
        pass()?;
    }
    ensure!(!loaded_modules()?.contains_key("binfmt_misc"), "it stays without a format");
    Ok(())
}
