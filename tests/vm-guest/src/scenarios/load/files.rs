//! Module files of all conditions, in a tree of the scenario's own with a database by the depmod under test.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::program::{depmod as run_depmod, modprobe, run};
use crate::scenarios::patched::{Tree, other_checksum, replaced, unsigned};
use crate::world::{MODPROBE, OWN, World};

/// A module that is there compressed by xz.
pub(super) const XZ: (&str, &str) = ("minix", "xz");
/// A module that is there compressed by zstd.
pub(super) const ZSTD: (&str, &str) = ("qnx4", "zst");
/// A module that is there compressed by gzip.
pub(super) const GZIP: (&str, &str) = ("efs", "gz");

pub(super) fn compressed(world: &World, (module, suffix): (&str, &str)) -> Result<()> {
    let tree = Tree::new(world)?;
    let name = format!("{module}.ko.{suffix}");
    let from = format!("{OWN}/compressed/{name}");
    tree.put(&name, &fs::read(&from).with_context(|| format!("cannot read {from}"))?)?;
    tree.index()?;
    modprobe(&tree.with(&[module]))?;
    world.expect_loaded(&[module])?;
    modprobe(&tree.with(&["-r", module]))?;
    world.expect_absent(&[module])
}

pub(super) fn depmod(world: &mut World) -> Result<()> {
    let whole = fs::metadata(world.database("modules.dep"))?.len();
    run_depmod(&["-a"])?;
    // Only the modules of the image are there now.
    let part = fs::metadata(world.database("modules.dep"))?.len();
    ensure!(part > 0 && part < whole / 10, "modules.dep has {part} bytes, and had {whole}");
    modprobe(&["fs-vfat"])?;
    modprobe(&["bridge"])?;
    world.expect_loaded(&["vfat", "fat", "bridge", "stp", "llc"])
}

pub(super) fn damaged(world: &mut World) -> Result<()> {
    let module = world.module("minix")?;
    let tree = Tree::new(world)?;
    tree.put("minix.ko", &module)?;
    tree.index()?;
    let mut cleared = module.clone();
    cleared.iter_mut().take(module.len() / 2).skip(64).for_each(|byte| *byte = 0);
    for (what, content) in [
        ("empty", Vec::new()),
        ("a text", b"no module\n".to_vec()),
        ("its header alone", module.get(..64).unwrap_or_default().to_vec()),
        ("its first half", module.get(..module.len() / 2).unwrap_or_default().to_vec()),
        ("its first half cleared", cleared),
    ] {
        tree.put("minix.ko", &content)?;
        let ended = run(MODPROBE, &tree.with(&["minix"]))?;
        ended.expect_code(1).context(what)?;
        ensure!(ended.stderr.contains("minix"), "{what}: {ended:?}");
        world.expect_absent(&["minix"])?;
    }
    tree.put("minix.ko", &module)?;
    modprobe(&tree.with(&["minix"])).context("put right again").map(drop)
}

pub(super) fn failed_on_demand(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let vfat = world.module("vfat")?;
    tree.put("fat.ko", &world.module("fat")?)?;
    tree.put("vfat.ko", &vfat)?;
    tree.index()?;
    // The database still says what it needs.
    tree.put("vfat.ko", vfat.get(..vfat.len() / 2).unwrap_or_default())?;
    run(MODPROBE, &tree.with(&["-k", "vfat"]))?.expect_code(1)?;
    world.expect_loaded(&["fat"])?;
    world.expect_absent(&["vfat"])?;
    for (module, recorded) in [("fat", true), ("vfat", false)] {
        let path = Path::new("/run/modutils/autoloaded").join(module);
        ensure!(
            path.exists() == recorded,
            "{}: there is {}one",
            path.display(),
            if recorded { "no " } else { "" }
        );
    }
    Ok(())
}

pub(super) fn vermagic(world: &mut World) -> Result<()> {
    let module = unsigned(&world.module("minix")?);
    // The release in front does not count in a kernel with checksums of symbols; what it was built for does.
    let foreign = replaced(&module, b" SMP preempt", b" UMP preempt")?;
    let tree = Tree::new(world)?;
    tree.put("minix.ko", &foreign)?;
    tree.index()?;
    let ended = run(MODPROBE, &tree.with(&["minix"]))?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("Exec format error"), "{ended:?}");
    world.expect_absent(&["minix"])?;
    for option in ["--force-vermagic", "-f"] {
        modprobe(&tree.with(&[option, "minix"])).with_context(|| option.to_owned())?;
        world.expect_loaded(&["minix"])?;
        modprobe(&tree.with(&["-r", "minix"]))?;
    }
    Ok(())
}

pub(super) fn modversion(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = unsigned(&world.module("vfat")?);
    tree.put("fat.ko", &world.module("fat")?)?;
    tree.put("vfat.ko", &other_checksum(&module, b"fat_attach\0")?)?;
    tree.index()?;
    let ended = run(MODPROBE, &tree.with(&["vfat"]))?;
    ended.expect_code(1)?;
    world.expect_absent(&["vfat"])?;
    modprobe(&tree.with(&["--force-modversion", "vfat"]))?;
    world.expect_loaded(&["vfat", "fat"])
}

pub(super) fn gone(world: &mut World) -> Result<()> {
    let module = world.module("minix")?;
    let tree = Tree::new(world)?;
    tree.put("minix.ko", &module)?;
    tree.index()?;
    fs::remove_file(tree.modules.join("kernel/minix.ko"))?;
    let ended = run(MODPROBE, &tree.with(&["minix"]))?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("minix"), "{ended:?}");
    Ok(())
}
