//! Where everything is: the only place of this crate that knows absolute paths.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The kernel's command line.
pub const KERNEL_COMMAND_LINE: &str = "/proc/cmdline";

/// Where installed kernels keep their modules, below a root directory.
const MODULES: &str = "/lib/modules/";

/// Directories of configuration, the first ones first; the rest of each path is the kind.
const CONFIGURATION: [&str; 5] = ["/etc/", "/run/", "/usr/local/lib/", "/usr/lib/", "/lib/"];

/// Where modprobe looks for its configuration, the first ones first.
#[must_use]
pub fn modprobe_d() -> Vec<PathBuf> {
    CONFIGURATION.iter().map(|directory| PathBuf::from(format!("{directory}modprobe.d"))).collect()
}

/// Where depmod looks for its configuration, the first ones first.
#[must_use]
pub fn depmod_d() -> Vec<PathBuf> {
    CONFIGURATION.iter().map(|directory| PathBuf::from(format!("{directory}depmod.d"))).collect()
}

/// The file that depmod keeps in the module directory while it replaces a database, locked as long as it lives.
pub const DEPMOD_RUNNING: &str = ".depmod-running";

/// A table of the database: an index, and the text that says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// From module names to their files and dependencies.
    Dependencies,
    /// From aliases to modules.
    Aliases,
    /// From `symbol:NAME` to modules.
    Symbols,
    /// The names of what is built into the kernel.
    Builtin,
    /// From aliases to what is built into the kernel.
    BuiltinAliases,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Dependencies, Self::Aliases, Self::Symbols, Self::Builtin, Self::BuiltinAliases];

    /// The file name of the index.
    #[must_use]
    pub fn index_name(self) -> &'static str {
        match self {
            Self::Dependencies => "modules.dep.bin",
            Self::Aliases => "modules.alias.bin",
            Self::Symbols => "modules.symbols.bin",
            Self::Builtin => "modules.builtin.bin",
            Self::BuiltinAliases => "modules.builtin.alias.bin",
        }
    }

    /// The file name of the text.
    #[must_use]
    pub fn text_name(self) -> &'static str {
        match self {
            Self::Dependencies => "modules.dep",
            Self::Aliases => "modules.alias",
            Self::Symbols => "modules.symbols",
            Self::Builtin => "modules.builtin",
            Self::BuiltinAliases => "modules.builtin.modinfo",
        }
    }
}

/// The directory with the modules and the database of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleDir(PathBuf);

impl ModuleDir {
    /// The directory of a kernel release below a root; an empty root is the system's own.
    #[must_use]
    pub fn new(root: &Path, release: &OsStr) -> Self {
        let mut path = OsString::from(root);
        path.push(MODULES);
        path.push(release);
        Self(path.into())
    }

    /// That directory.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Its path, as it was put together.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it, given relative to it or absolute.
    #[must_use]
    pub fn join(&self, path: &[u8]) -> PathBuf {
        self.0.join(OsStr::from_bytes(path))
    }

    /// The path of a table's index.
    #[must_use]
    pub fn index(&self, table: Table) -> PathBuf {
        self.0.join(table.index_name())
    }

    /// The path of a table's text.
    #[must_use]
    pub fn text(&self, table: Table) -> PathBuf {
        self.0.join(table.text_name())
    }

    /// The files that are parsed as configuration of modprobe.
    #[must_use]
    pub fn configuration(&self) -> Vec<PathBuf> {
        ["modules.softdep", "modules.weakdep"].iter().map(|name| self.0.join(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_directory_is_put_together_as_text() {
        for (root, expected) in
            [("", "/lib/modules/6.1"), ("/r", "/r/lib/modules/6.1"), ("/c/./r", "/c/./r/lib/modules/6.1")]
        {
            assert_eq!(ModuleDir::new(Path::new(root), OsStr::new("6.1")).path(), Path::new(expected));
        }
        let directory = ModuleDir::at("/m".into());
        assert_eq!(directory.join(b"kernel/a.ko"), Path::new("/m/kernel/a.ko"));
        assert_eq!(directory.join(b"/else/a.ko"), Path::new("/else/a.ko"));
    }

    #[test]
    fn etc_comes_first() {
        assert_eq!(modprobe_d().first(), Some(&PathBuf::from("/etc/modprobe.d")));
        assert_eq!(depmod_d().last(), Some(&PathBuf::from("/lib/depmod.d")));
    }
}
