//! What sysfs says about modules. Reads, never writes.
//!
//! The directory is a value, so that a prepared tree can stand in for the kernel's.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::compression::Compression;
use modfile::regular;
use rustix::io::Errno;

use crate::ops::ModuleState;

/// No file of sysfs is longer than a page, 64 KiB at most.
const LONGEST_FILE: usize = 64 << 10;

/// The directory that has an entry for each module, `/sys/module`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysfs {
    modules: PathBuf,
}

impl Sysfs {
    /// The modules listed in this directory.
    #[must_use]
    pub fn new(modules: impl Into<PathBuf>) -> Self {
        Self { modules: modules.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn modules(&self) -> &Path {
        &self.modules
    }

    /// The directory of one module; `None` for what cannot be a name, such as an empty text or one with a slash.
    #[must_use]
    pub fn directory(&self, module: &ModuleName) -> Option<PathBuf> {
        let name = module.as_bytes();
        let is_name = !name.is_empty() && !name.contains(&b'/') && !name.contains(&0);
        is_name.then(|| self.modules.join(OsStr::from_bytes(name)))
    }

    /// A file of a module without the newline at its end; `None` if it, or the module, does not exist.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub fn read(&self, module: &ModuleName, file: &str) -> io::Result<Option<Vec<u8>>> {
        match self.directory(module) {
            Some(directory) => read_if_there(&directory.join(file)),
            None => Ok(None),
        }
    }

    /// The state of a module. A directory without `initstate` is a module whose load has just begun, or the
    /// parameters of a built-in one.
    ///
    /// # Errors
    /// The state exists and cannot be read.
    pub fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        let Some(directory) = self.directory(module) else { return Ok(ModuleState::Absent) };
        match read_if_there(&directory.join("initstate"))?.as_deref() {
            Some(b"live") => Ok(ModuleState::Live),
            Some(b"going") => Ok(ModuleState::Going),
            Some(_) => Ok(ModuleState::Coming),
            None if rustix::fs::stat(&directory).is_ok() => Ok(ModuleState::Coming),
            None => Ok(ModuleState::Absent),
        }
    }

    /// How many users hold a module; `None` where the kernel does not count.
    ///
    /// # Errors
    /// The count exists and cannot be read. A module that is going counts -1, which is returned as 0.
    pub fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        let Some(text) = self.read(module, "refcnt")? else { return Ok(None) };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<i64>().ok());
        match number {
            Some(number) => Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))),
            None => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// The modules that use a module, in the order of the directory.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        let Some(directory) = self.directory(module) else { return Err(io::ErrorKind::NotFound.into()) };
        let entries = fs::read_dir(directory.join("holders"))?;
        entries.map(|entry| Ok(ModuleName::new(entry?.file_name().as_bytes()))).collect()
    }

    /// What tells one load of a module from another: the inode number of its directory changes at each load.
    ///
    /// # Errors
    /// The module is absent, or its directory cannot be looked at.
    pub fn instance(&self, module: &ModuleName) -> io::Result<u64> {
        let Some(directory) = self.directory(module) else { return Err(io::ErrorKind::NotFound.into()) };
        Ok(fs::metadata(directory)?.ino())
    }

    /// The format of module files that the kernel decompresses by itself, if it does and says so.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        let text = read_if_there(&self.modules.join("compression")).ok()??;
        [Compression::Gzip, Compression::Xz, Compression::Zstd]
            .into_iter()
            .find(|format| format.name().as_bytes() == text.as_slice())
    }

    /// The present value of a parameter, `None` if the module does not show it.
    ///
    /// # Errors
    /// It exists and cannot be read: a parameter may be write-only.
    pub fn parameter(&self, module: &ModuleName, parameter: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if parameter.is_empty() || parameter.contains(&b'/') || parameter.contains(&0) || parameter == b".." {
            return Ok(None);
        }
        let Some(directory) = self.directory(module) else { return Ok(None) };
        read_if_there(&directory.join("parameters").join(OsStr::from_bytes(parameter)))
    }
}

/// The contents of a small file without the newline at its end.
fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut text = match regular::read(path, LONGEST_FILE) {
        Ok(text) => text,
        Err(error) if matches!(error.errno(), Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysfs) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::new(directory.path());
        (directory, sysfs)
    }

    #[test]
    fn a_directory_without_a_state_is_a_module_that_is_coming() {
        let (_tree, sysfs) = tree(&[
            ("live/initstate", "live\n"),
            ("going/initstate", "going\n"),
            ("coming/initstate", "coming\n"),
            ("begun/parameters/x", "1\n"),
        ]);
        for (name, state) in [
            ("live", ModuleState::Live),
            ("going", ModuleState::Going),
            ("coming", ModuleState::Coming),
            ("begun", ModuleState::Coming),
            ("none", ModuleState::Absent),
        ] {
            assert_eq!(sysfs.state(&name.into()).unwrap(), state, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_no_file_name_is_absent() {
        let (_tree, sysfs) = tree(&[("a/initstate", "live\n"), ("a/b/initstate", "live\n")]);
        for name in ["", "a/b", "/a", "a\0"] {
            assert_eq!(sysfs.state(&name.into()).unwrap(), ModuleState::Absent, "{name:?}");
            assert_eq!(sysfs.use_count(&name.into()).unwrap(), None);
            assert!(sysfs.holders(&name.into()).is_err());
        }
    }

    #[test]
    fn use_counts_are_numbers_and_none_where_the_kernel_does_not_count() {
        let (_tree, sysfs) = tree(&[
            ("used/refcnt", "3\n"),
            ("idle/refcnt", "0\n"),
            ("going/refcnt", "-1\n"),
            ("damaged/refcnt", "many\n"),
            ("other/initstate", "live\n"),
        ]);
        assert_eq!(sysfs.use_count(&"used".into()).unwrap(), Some(3));
        assert_eq!(sysfs.use_count(&"idle".into()).unwrap(), Some(0));
        assert_eq!(sysfs.use_count(&"going".into()).unwrap(), Some(0));
        assert_eq!(sysfs.use_count(&"other".into()).unwrap(), None);
        assert!(sysfs.use_count(&"damaged".into()).is_err());
    }

    #[test]
    fn holders_and_parameters_are_read_and_paths_are_no_parameters() {
        let (_tree, sysfs) = tree(&[("a/holders/b", ""), ("a/parameters/size", "16384\n"), ("secret", "x")]);
        assert_eq!(sysfs.holders(&"a".into()).unwrap(), [ModuleName::from("b")]);
        assert_eq!(sysfs.parameter(&"a".into(), b"size").unwrap().as_deref(), Some(b"16384".as_slice()));
        for other in [b"none".as_slice(), b"..", b"../../secret", b""] {
            assert_eq!(sysfs.parameter(&"a".into(), other).unwrap(), None);
        }
    }

    #[test]
    fn the_kernels_compression_is_one_that_we_know_or_none() {
        for (text, format) in [
            ("zstd\n", Some(Compression::Zstd)),
            ("xz\n", Some(Compression::Xz)),
            ("lz4\n", None),
            ("", None),
        ] {
            assert_eq!(tree(&[("compression", text)]).1.compression(), format, "{text}");
        }
        assert_eq!(tree(&[]).1.compression(), None);
    }

    #[test]
    fn a_long_parameter_is_read_whole() {
        let long = "x".repeat(5000);
        let (_tree, sysfs) = tree(&[("a/parameters/list", &long)]);
        assert_eq!(sysfs.parameter(&"a".into(), b"list").unwrap().unwrap().len(), 5000);
    }
}
