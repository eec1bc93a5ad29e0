//! Module files of all conditions, in a tree of the scenario's own with a database by the depmod under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::program::{depmod as run_depmod, modprobe, run};
use crate::world::{MODPROBE, OWN, WORK, World};

/// A module that is there compressed by xz.
pub(super) const XZ: (&str, &str) = ("minix", "xz");
/// A module that is there compressed by zstd.
pub(super) const ZSTD: (&str, &str) = ("qnx4", "zst");
/// A module that is there compressed by gzip.
pub(super) const GZIP: (&str, &str) = ("efs", "gz");

/// A tree of modules of the scenario's own.
struct Tree {
    root: String,
    modules: PathBuf,
    release: String,
}

impl Tree {
    fn new(world: &World) -> Result<Self> {
        let root = format!("{WORK}/tree");
        let modules = Path::new(&root).join("lib/modules").join(&world.plan.release);
        fs::create_dir_all(modules.join("kernel"))?;
        Ok(Self { root, modules, release: world.plan.release.clone() })
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.modules.join("kernel").join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    fn index(&self) -> Result<()> {
        run_depmod(&["-b", &self.root, &self.release]).map(drop)
    }

    /// Arguments that make modprobe use this tree.
    fn with<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        ["-d", &self.root].into_iter().chain(arguments.iter().copied()).collect()
    }
}

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
    let module = fs::read(world.module_file("minix")?)?;
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
    let [fat, vfat] = ["fat", "vfat"].map(|name| world.module_file(name).map(fs::read));
    let vfat = vfat??;
    tree.put("fat.ko", &fat??)?;
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
    let module = unsigned(&fs::read(world.module_file("minix")?)?);
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
    let module = unsigned(&fs::read(world.module_file("vfat")?)?);
    tree.put("fat.ko", &fs::read(world.module_file("fat")?)?)?;
    tree.put("vfat.ko", &other_checksum(&module, b"fat_attach\0")?)?;
    tree.index()?;
    let ended = run(MODPROBE, &tree.with(&["vfat"]))?;
    ended.expect_code(1)?;
    world.expect_absent(&["vfat"])?;
    modprobe(&tree.with(&["--force-modversion", "vfat"]))?;
    world.expect_loaded(&["vfat", "fat"])
}

pub(super) fn gone(world: &mut World) -> Result<()> {
    let module = fs::read(world.module_file("minix")?)?;
    let tree = Tree::new(world)?;
    tree.put("minix.ko", &module)?;
    tree.index()?;
    fs::remove_file(tree.modules.join("kernel/minix.ko"))?;
    let ended = run(MODPROBE, &tree.with(&["minix"]))?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("minix"), "{ended:?}");
    Ok(())
}

/// The module without its signature, which would not fit any more: a wrong one is refused, none is accepted.
/// The end of a signed file is a mark of 28 bytes, and before it the signature's length as the last of 12.
fn unsigned(module: &[u8]) -> Vec<u8> {
    let stripped = || {
        let rest = module.strip_suffix(b"~Module signature appended~\n")?;
        let (rest, length) = rest.split_last_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..rest.len().checked_sub(length.checked_add(8)?)?)
    };
    stripped().unwrap_or(module).to_vec()
}

fn position(bytes: &[u8], part: &[u8]) -> Result<usize> {
    let found = bytes.windows(part.len()).position(|window| window == part);
    found.with_context(|| format!("the module holds no {:?}", String::from_utf8_lossy(part)))
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Result<Vec<u8>> {
    let at = position(bytes, from)?;
    Ok([bytes.get(..at).unwrap_or_default(), to, bytes.get(at + from.len()..).unwrap_or_default()].concat())
}

/// The module with another checksum for a symbol: in `__versions` the checksum's eight bytes precede the name.
fn other_checksum(module: &[u8], symbol: &[u8]) -> Result<Vec<u8>> {
    let mut changed = module.to_vec();
    let mut start = 0;
    while let Ok(at) = position(module.get(start..).unwrap_or_default(), symbol) {
        let at = start + at;
        // Four bytes of checksum, four of zeros; elsewhere the name stands behind other text.
        let before = at.checked_sub(8).and_then(|from| changed.get_mut(from..at));
        if let Some([checksum @ .., 0, 0, 0, 0]) = before
            && checksum.iter().any(|byte| *byte != 0)
        {
            checksum.iter_mut().for_each(|byte| *byte ^= 0x5a);
            return Ok(changed);
        }
        start = at + 1;
    }
    anyhow::bail!("the module has no checksum for {:?}", String::from_utf8_lossy(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_cut_off_and_an_unsigned_module_stays() {
        let mut signed = b"module".to_vec();
        signed.extend(b"signature");
        signed.extend([0; 8]);
        signed.extend(9u32.to_be_bytes());
        signed.extend(b"~Module signature appended~\n");
        assert_eq!(unsigned(&signed), b"module");
        assert_eq!(unsigned(b"module"), b"module");
    }

    #[test]
    fn the_checksum_in_front_of_a_name_is_changed() {
        let versions = b"text\0name\0..\x01\x02\x03\x04\0\0\0\0name\0";
        let changed = other_checksum(versions, b"name\0").unwrap();
        assert_eq!(&changed[..12], &versions[..12]);
        assert_eq!(changed[12..16], [1 ^ 0x5a, 2 ^ 0x5a, 3 ^ 0x5a, 4 ^ 0x5a]);
        assert_eq!(&changed[16..], &versions[16..]);
        assert!(other_checksum(versions, b"other\0").is_err());
    }
}
