//! Finds the module files that a boot needs: those named, and all that they depend on, as their own `depends`
//! entries say. The database is not asked; it is under test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _};
use walkdir::WalkDir;

/// The module files below one directory, by the kernel's name of the module.
pub struct Tree {
    root: PathBuf,
    paths: BTreeMap<String, PathBuf>,
}

impl Tree {
    /// Lists the uncompressed module files below `root`.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(root: &Path) -> Result<Self> {
        let mut paths = BTreeMap::new();
        for entry in WalkDir::new(root) {
            let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
            let path = entry.path();
            if path.extension().is_some_and(|suffix| suffix == "ko") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                paths.insert(kernel_name(&name), path.strip_prefix(root)?.to_owned());
            }
        }
        Ok(Self { root: root.into(), paths })
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

    /// The files, relative to the root and by name, of these modules and of all that they depend on.
    ///
    /// # Errors
    /// When a module is not in the tree or its file cannot be read.
    pub fn closure(&self, modules: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
        let mut found = BTreeMap::new();
        let mut wanted: Vec<String> = modules.iter().map(|name| kernel_name(name)).collect();
        while let Some(name) = wanted.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let path = self.path(&name)?;
            wanted.extend(dependencies(&self.root.join(path))?);
            found.insert(name, path.to_owned());
        }
        Ok(found)
    }
}

fn kernel_name(name: &str) -> String {
    name.replace('-', "_")
}

fn dependencies(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{}", path.display()))?;
    let section =
        file.section_by_name(".modinfo").with_context(|| format!("{} has no .modinfo", path.display()))?;
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
