//! Modules as they should not be: those of the running kernel with something changed in them, in a tree of the
//! scenario's own with a database by the depmod under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program::depmod;
pub(super) use crate::signature::unsigned;
use crate::world::{WORK, World};

/// A tree of modules of the scenario's own.
pub(super) struct Tree {
    pub(super) root: String,
    pub(super) modules: PathBuf,
    release: String,
}

impl Tree {
    pub(super) fn new(world: &World) -> Result<Self> {
        let root = format!("{WORK}/tree");
        let modules = Path::new(&root).join("lib/modules").join(&world.plan.release);
        fs::create_dir_all(modules.join("kernel"))?;
        Ok(Self { root, modules, release: world.plan.release.clone() })
    }

    pub(super) fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.modules.join("kernel").join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn index(&self) -> Result<()> {
        depmod(&["-b", &self.root, &self.release]).map(drop)
    }

    /// Arguments that make modprobe use this tree.
    pub(super) fn with<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        ["-d", &self.root].into_iter().chain(arguments.iter().copied()).collect()
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Result<usize> {
    let found = bytes.windows(part.len()).position(|window| window == part);
    found.with_context(|| format!("the module holds no {:?}", String::from_utf8_lossy(part)))
}

pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Result<Vec<u8>> {
    let at = position(bytes, from)?;
    Ok([bytes.get(..at).unwrap_or_default(), to, bytes.get(at + from.len()..).unwrap_or_default()].concat())
}

/// The module with another checksum for a symbol: in `__versions` the checksum's eight bytes precede the name.
pub(super) fn other_checksum(module: &[u8], symbol: &[u8]) -> Result<Vec<u8>> {
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

/// The module under another name of the same length. In the kernel's own `struct module` the name stands behind a
/// list's two pointers and a state, which are zeros in the file.
pub(super) fn renamed(module: &[u8], from: &str, to: &str) -> Result<Vec<u8>> {
    let field = |name: &str| [&[0; 24], name.as_bytes(), &[0; 8]].concat();
    replaced(module, &field(from), &field(to))
}

/// A signed module with one byte changed, in a text that does not matter.
pub(super) fn changed(module: &[u8]) -> Result<Vec<u8>> {
    replaced(module, b"intree=Y", b"intree=y")
}

/// The module without the checksums of the symbols that it needs: their section is called otherwise.
pub(super) fn without_checksums(module: &[u8]) -> Result<Vec<u8>> {
    replaced(module, b"\0__versions\0", b"\0_.versions\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_behind_zeros_is_the_kernels() {
        let module = [b"fat\0name=fat\0", &[0; 24][..], b"fat", &[0; 53]].concat();
        let renamed = renamed(&module, "fat", "fax").unwrap();
        assert_eq!(renamed.get(..13), module.get(..13));
        assert_eq!(renamed.get(37..40), Some(&b"fax"[..]));
        assert!(super::renamed(&module, "vfat", "vfax").is_err());
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
