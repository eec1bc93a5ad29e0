//! Which `forbid` line, if any, keeps out a module whose file is given by path. The name inside the file counts too,
//! since anyone can rename a file.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modfile::{ModuleName, ReadError, modinfo};
use modstate::rules::{Forbidden, Rules};

/// The line that forbids the module in a file, by the file's name or by the name inside of it. A file that cannot be
/// read has no name inside; the kernel cannot load it either.
#[must_use]
pub fn file<'r>(rules: &'r Rules, path: &Path) -> Option<(ModuleName, &'r Forbidden)> {
    if !rules.forbid_anything() {
        return None;
    }
    let by_path = ModuleName::of_path(path.as_os_str().as_bytes());
    let inside = || name_inside(path).ok().flatten();
    let mut names = std::iter::once(by_path).chain(std::iter::once_with(inside).flatten());
    names.find_map(|name| rules.forbidden(&name).map(|line| (name, line)))
}

/// What a module calls itself; modules of kernels before 4.13 do not say.
fn name_inside(path: &Path) -> Result<Option<ModuleName>, ReadError> {
    let strings = modinfo::of_file(path)?;
    Ok(modinfo::values(&strings.section, "name").next().map(ModuleName::new))
}

#[cfg(test)]
mod tests {
    use modstate::config::ModutilsConfig;

    use super::*;

    #[test]
    fn a_file_is_forbidden_by_its_name_and_by_the_name_inside() {
        let root = tempfile::tempdir().unwrap();
        let mut config = ModutilsConfig::default();
        assert_eq!(config.add(Path::new("a.conf"), b"forbid fat\n"), []);
        let forbidden = |name: &str, module: fixtures::Module| {
            let path = root.path().join(name);
            std::fs::write(&path, module.bytes()).unwrap();
            file(config.rules(), &path).map(|(name, _)| name.to_text().into_owned())
        };
        assert_eq!(forbidden("fat.ko", fixtures::Module::new("x")), Some("fat".into()));
        assert_eq!(forbidden("x.ko", fixtures::Module::new("fat").info("name=fat")), Some("fat".into()));
        assert_eq!(forbidden("x.ko", fixtures::Module::new("vfat").info("name=vfat")), None);
        assert_eq!(file(config.rules(), &root.path().join("missing.ko")), None);
    }
}
