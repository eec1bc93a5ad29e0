//! What modprobe.d says, as far as only a kernel can show that it took effect.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::ask;
use crate::program::{modprobe, run};
use crate::world::{MODPROBE, WORK, World};

pub(super) fn options(world: &mut World) -> Result<()> {
    world.configure("dummy", "options dummy numdummies=1\n")?;
    modprobe(&["dummy", "numdummies=2"])?;
    ask::interface("dummy1").context("the second interface")?;
    ensure!(ask::interface("dummy2").is_err(), "there are three interfaces");
    Ok(())
}

pub(super) fn blacklist(world: &mut World) -> Result<()> {
    world.configure("blacklist", "blacklist vfat\n")?;
    modprobe(&["fs-vfat"])?;
    world.expect_absent(&["vfat"]).context("by its alias")?;
    modprobe(&["-b", "vfat"])?;
    world.expect_absent(&["vfat"]).context("with -b")?;
    modprobe(&["vfat"])?;
    world.expect_loaded(&["vfat", "fat"]).context("by its name")
}

pub(super) fn softdep(world: &mut World) -> Result<()> {
    world.configure("softdep", "softdep minix pre: vfat post: efs\n")?;
    let shown = modprobe(&["-v", "minix"])?;
    world.expect_loaded(&["minix", "vfat", "fat", "efs"])?;
    let inserted: Vec<_> = shown
        .stdout
        .lines()
        .filter(|line| line.starts_with("insmod"))
        .filter_map(|line| line.trim_end().rsplit('/').next())
        .map(|file| file.trim_end_matches(".xz"))
        .collect();
    ensure!(inserted == ["fat.ko", "vfat.ko", "minix.ko", "efs.ko"], "{inserted:?}");
    modprobe(&["-r", "minix"])?;
    world.expect_absent(&["minix", "vfat", "fat", "efs"])
}

pub(super) fn commands(world: &mut World) -> Result<()> {
    let said = format!("{WORK}/said");
    world.configure(
        "commands",
        &format!(
            "install minix echo in $MODPROBE_MODULE $CMDLINE_OPTS >>{said}; /sbin/modprobe -i minix\n\
             remove minix echo out $MODPROBE_MODULE >>{said}; /sbin/modprobe -i -r minix\n"
        ),
    )?;
    modprobe(&["minix", "a=1"])?;
    world.expect_loaded(&["minix"])?;
    modprobe(&["-r", "minix"])?;
    world.expect_absent(&["minix"])?;
    let said = fs::read_to_string(&said).context("no command ran")?;
    ensure!(said == "in minix a=1\nout minix\n", "{said:?}");
    Ok(())
}

pub(super) fn failing_command(world: &mut World) -> Result<()> {
    world.configure("commands", "install minix exit 3\n")?;
    run(MODPROBE, &["minix"])?.expect_code(1)?;
    world.expect_absent(&["minix"])
}
