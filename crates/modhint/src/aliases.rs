//! The aliases in a loaded module's own file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use moddb::ModuleDb;
use modfile::{ModuleName, ReadError, modinfo};

/// The aliases of a loaded module; `None` if its file is not in the database, cannot be read, or is not the one that
/// was loaded. `sys_module` is the directory that has an entry for each module.
#[must_use]
pub fn of_loaded(sys_module: &Path, db: &ModuleDb, module: &ModuleName) -> Option<Vec<Vec<u8>>> {
    let line = db.installed(module)?;
    let loaded = source_version(sys_module, module);
    of_file(&line.path, loaded.as_deref()).ok().flatten()
}

/// What the kernel shows of the source that a loaded module was built from; most kernels show it.
fn source_version(sys_module: &Path, module: &ModuleName) -> Option<Vec<u8>> {
    let path = sys_module.join(OsStr::from_bytes(module.as_bytes())).join("srcversion");
    Some(fs::read(path).ok()?.trim_ascii().to_vec())
}

/// The aliases of the module in a file, unless it says that it was built from another source than `loaded`.
fn of_file(path: &Path, loaded: Option<&[u8]>) -> Result<Option<Vec<Vec<u8>>>, ReadError> {
    let section = modinfo::of_file(path)?.section;
    let section = section.as_slice();
    let built = modinfo::values(section, "srcversion").next();
    if let (Some(loaded), Some(built)) = (loaded, built)
        && loaded != built
    {
        return Ok(None);
    }
    Ok(Some(modinfo::values(section, "alias").map(<[u8]>::to_vec).collect()))
}

#[cfg(test)]
mod tests {
    use fixtures::Module;

    use super::*;

    #[test]
    fn a_file_tells_all_its_aliases() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("m.ko");
        let module = Module::new("m").info("alias=fs-m").info("srcversion=ABC").info("alias=m-old");
        fs::write(&path, module.bytes()).unwrap();
        let aliases = Some(vec![b"fs-m".to_vec(), b"m-old".to_vec()]);
        assert_eq!(of_file(&path, None).unwrap(), aliases);
        assert_eq!(of_file(&path, Some(b"ABC")).unwrap(), aliases);
    }

    #[test]
    fn a_file_of_another_source_than_what_is_loaded_tells_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("m.ko");
        fs::write(&path, Module::new("m").info("alias=fs-m").info("srcversion=ABC").bytes()).unwrap();
        assert_eq!(of_file(&path, Some(b"ABD")).unwrap(), None);
        fs::write(&path, "no module").unwrap();
        assert!(of_file(&path, None).is_err());
    }
}
