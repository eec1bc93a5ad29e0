//! Finds the module files that a boot needs: those named, and all that they depend on, as their own `depends`
//! entries say. The database is not asked; it is under test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _};
use walkdir::WalkDir;

/// The module files below one directory, by the kernel's name of the module.
pub struct Tree {
    root: PathBuf,
    paths: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

impl Tree {
    /// Lists the module files below `root`, plain ones and those compressed by xz.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(root: &Path) -> Result<Self> {
        let mut paths = BTreeMap::new();
        for entry in WalkDir::new(root) {
            let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
            let path = entry.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(name) = file.strip_suffix(".xz").unwrap_or(&file).strip_suffix(".ko") {
                paths.insert(kernel_name(name), path.strip_prefix(root)?.to_owned());
            }
        }
        let built_in = fs::read_to_string(root.join("modules.builtin")).unwrap_or_default();
        let names = built_in.lines().filter_map(|path| path.rsplit('/').next()?.strip_suffix(".ko"));
        let built_in = names.map(kernel_name).collect();
        Ok(Self { root: root.into(), paths, built_in })
    }

    /// The file of a module, relative to the root.
    ///
    /// # Errors
    /// When the module is not in the tree.
    pub fn path(&self, module: &str) -> Result<&Path> {
        let path = self.paths.get(&kernel_name(module));
        path.map(PathBuf::as_path)
            .with_context(|| format!("{} holds no module {module}", self.root.display()))
    }

    /// A module as the kernel links it.
    ///
    /// # Errors
    /// When the module is not in the tree or its file cannot be read.
    pub fn plain(&self, module: &str) -> Result<Vec<u8>> {
        let path = self.root.join(self.path(module)?);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if path.extension().is_none_or(|suffix| suffix != "xz") {
            return Ok(bytes);
        }
        let mut plain = Vec::new();
        let read = xz2::read::XzDecoder::new(&*bytes).read_to_end(&mut plain);
        read.with_context(|| format!("cannot decompress {}", path.display()))?;
        Ok(plain)
    }

    /// The files, relative to the root and by name, of these modules and of all that they depend on. What this
    /// kernel has built in has no file.
    ///
    /// # Errors
    /// When a module is neither in the tree nor built in, or its file cannot be read.
    pub fn closure(&self, modules: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
        let mut found = BTreeMap::new();
        let mut wanted: Vec<String> = modules.iter().map(|name| kernel_name(name)).collect();
        while let Some(name) = wanted.pop() {
            if found.contains_key(&name) || self.built_in.contains(&name) {
                continue;
            }
            let path = self.path(&name)?;
            wanted.extend(dependencies(&self.plain(&name)?).with_context(|| path.display().to_string())?);
            found.insert(name, path.to_owned());
        }
        Ok(found)
    }
}

fn kernel_name(name: &str) -> String {
    name.replace('-', "_")
}

fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo").context("there is no .modinfo")?;
    Ok(depends(section.data()?))
}

/// The names in the `depends` entries of a `.modinfo` section.
fn depends(modinfo: &[u8]) -> Vec<String> {
    let entries = modinfo.split(|&byte| byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let lists = entries.filter_map(|entry| entry.strip_prefix("depends="));
    lists.flat_map(|list| list.split(',')).filter(|name| !name.is_empty()).map(kernel_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let modinfo = b"license=GPL\0depends=fat,nls-base\0alias=fs-vfat\0depends=\0";
        assert_eq!(depends(modinfo), ["fat", "nls_base"]);
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = Tree::list(root.path()).unwrap().closure(&["nonesuch"]).err().unwrap();
        assert!(error.to_string().contains("nonesuch"), "{error}");
    }
}
