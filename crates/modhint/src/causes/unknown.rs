//! The database does not know a name.

use std::fs;
use std::path::{Path, PathBuf};

use moddb::ModuleDb;
use moddb::paths::Table;
use modfile::{ModuleName, regular};
use modkernel::{ModuleState, Sysfs};

use crate::nearest::nearest;

/// A table in text form is not longer, in bytes.
const LONGEST_TABLE: usize = 16 << 20;
/// So many entries of the directory are looked at.
const MOST_ENTRIES: usize = 100_000;

/// What is known about an unknown name, most useful first. `sysfs` is that of the kernel to which the database
/// belongs, if it is the running one.
#[must_use]
pub fn hints(name: &[u8], db: &ModuleDb, sysfs: Option<&Sysfs>) -> Vec<String> {
    let module = ModuleName::of_path(name);
    let presence = sysfs.and_then(|sysfs| present(&module, sysfs));
    if let Some(hint) = presence {
        return vec![hint];
    }
    let directory = db.directory().path();
    if !directory.is_dir() {
        return Vec::new();
    }
    let has_tables = db.directory().text(Table::Dependencies).exists()
        || db.directory().index(Table::Dependencies).exists();
    if !has_tables {
        return vec![format!("there is no modules.dep in {}: run depmod", directory.display())];
    }
    // The name itself is known; it was given as a file or in another form.
    if db.installed(&module).is_some() || db.is_builtin(&module) {
        return vec![format!("did you mean {module}?")];
    }
    if let Some(file) = file_of(&module, directory) {
        return vec![format!("{} is there, but not in the database: run depmod", file.display())];
    }
    let names = names(db);
    let meant = nearest(module.as_bytes(), names.iter().map(ModuleName::as_bytes));
    meant.map(|meant| format!("did you mean {}?", String::from_utf8_lossy(meant))).into_iter().collect()
}

/// A module that the running kernel has although no directory knows it.
fn present(module: &ModuleName, sysfs: &Sysfs) -> Option<String> {
    match sysfs.state(module) {
        Ok(ModuleState::Live) => Some(format!("{module} is loaded already")),
        // Without a state it is built in, or is being loaded this moment.
        Ok(ModuleState::Coming) => Some(format!("the running kernel has {module} already")),
        _ => None,
    }
}

/// The file of a module below a directory, wherever it is.
fn file_of(module: &ModuleName, directory: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let mut left = MOST_ENTRIES;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            left = left.checked_sub(1)?;
            // A link such as `build` leads elsewhere.
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if is_module_file(name.as_bytes()) && ModuleName::of_path(name.as_bytes()) == *module {
                return Some(entry.path());
            }
        }
    }
    None
}

fn is_module_file(name: &[u8]) -> bool {
    let endings: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];
    endings.iter().any(|ending| name.ends_with(ending))
}

/// The names of all modules in the database and of all that are built in.
#[must_use]
pub fn names(db: &ModuleDb) -> Vec<ModuleName> {
    let mut names = Vec::new();
    for table in [Table::Dependencies, Table::Builtin] {
        let text = regular::read(&db.directory().text(table), LONGEST_TABLE).unwrap_or_default();
        let paths =
            text.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b':').next());
        names.extend(paths.filter(|path| !path.is_empty()).map(ModuleName::of_path));
    }
    names
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;
    use moddb::paths::ModuleDir;

    use super::*;

    fn told(files: &[(&str, &str)], name: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let db = ModuleDb::new(ModuleDir::at(root.path().join("lib")), Config::default());
        let hints = hints(name.as_bytes(), &db, Some(&Sysfs::new(root.path().join("sys"))));
        hints.join("; ").replace(&root.path().display().to_string(), "")
    }

    #[test]
    fn a_mistyped_name_brings_the_nearest() {
        let tables = [
            ("lib/modules.dep", "kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz\n"),
            ("lib/modules.builtin", "kernel/fs/ext4/ext4.ko\n"),
        ];
        assert_eq!(told(&tables, "vfta"), "did you mean vfat?");
        let there = [tables[0], tables[1], ("lib/kernel/fs/fat/vfat.ko.xz", "")];
        assert_eq!(told(&there, "vfat.ko.xz"), "did you mean vfat?");
        assert_eq!(told(&tables, "exr4"), "did you mean ext4?");
        assert_eq!(told(&tables, "ext5"), "");
        assert_eq!(told(&tables, "elsewhere"), "");
    }

    #[test]
    fn a_database_that_is_missing_or_behind_is_named() {
        assert_eq!(told(&[("lib/kernel/a.ko", "")], "a"), "there is no modules.dep in /lib: run depmod");
        let behind = [("lib/modules.dep", "kernel/b.ko:\n"), ("lib/updates/snd-x.ko.zst", "")];
        assert_eq!(
            told(&behind, "snd_x"),
            "/lib/updates/snd-x.ko.zst is there, but not in the database: run depmod"
        );
        // A missing directory is the cause, and is reported elsewhere.
        assert_eq!(told(&[], "a"), "");
    }

    #[test]
    fn what_the_kernel_has_already_is_told() {
        assert_eq!(told(&[("sys/overlay/initstate", "live\n")], "overlay"), "overlay is loaded already");
        assert_eq!(
            told(&[("sys/overlay/parameters/x", "")], "overlay"),
            "the running kernel has overlay already"
        );
    }
}
