//! Module trees to measure on: laid out like installed ones, since a tree behind a link is walked otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fixtures::{Module, Tree};
use reference::{Cache, Kernel};

use crate::shell;

/// The release of a kernel that there is not.
const CHAIN_RELEASE: &str = "6.1.0-chain";

/// What the kernel's build leaves beside the modules.
const BUILD_FILES: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];

/// A root directory with a kernel's modules.
pub struct Laid {
    temporary: tempfile::TempDir,
    directory: PathBuf,
    version: String,
    /// How many modules there are.
    pub modules: usize,
}

impl Laid {
    /// The kernel's modules, packed as `packing` says (`xz`, `zst`, or `packaged`: as its package has them), in `copies`
    /// of other names.
    pub fn out(cache: &Cache, kernel: &Kernel, packing: &str, copies: usize) -> Result<Self> {
        let source = match packing {
            "packaged" => kernel.modules(),
            "xz" | "zst" => cache.derived(&format!("{}.{packing}", kernel.version)),
            other => bail!("no tree '{other}'"),
        };
        let source = source.join("kernel");
        ensure!(source.is_dir(), "{}: not there; cargo xtask compliance makes it", source.display());
        // Files are links to those of the cache, so both are on one file system, usually a disk.
        let temporary = tempfile::tempdir_in(cache.directory())?;
        Self::linked(temporary, &source, kernel, copies)
    }

    /// The same in memory, each file a copy.
    pub fn in_memory(cache: &Cache, kernel: &Kernel, packing: &str) -> Result<Self> {
        let on_disk = Self::out(cache, kernel, packing, 1)?;
        let temporary = tempfile::tempdir_in("/dev/shm")?;
        let directory = temporary.path().join("lib/modules").join(&kernel.version);
        fs::create_dir_all(directory.parent().context("a directory")?)?;
        shell::quietly(Command::new("cp").arg("-a").arg(&on_disk.directory).arg(&directory))?;
        Ok(Self { temporary, directory, version: kernel.version.clone(), modules: on_disk.modules })
    }

    /// Modules in a row, each of which needs the one before it.
    pub fn chain(modules: usize) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut tree = Tree::new(CHAIN_RELEASE);
        for number in 0..modules {
            let name = format!("chain{number:04}");
            let mut module = Module::new(&name).export(format!("symbol_{number}"), 1);
            if let Some(before) = number.checked_sub(1) {
                module = module.need(format!("symbol_{before}"));
            }
            tree = tree.module(&format!("kernel/{name}.ko"), module);
        }
        let directory = tree.with_build_files().write(temporary.path())?;
        Ok(Self { temporary, directory, version: CHAIN_RELEASE.to_owned(), modules })
    }

    fn linked(temporary: tempfile::TempDir, source: &Path, kernel: &Kernel, copies: usize) -> Result<Self> {
        let directory = temporary.path().join("lib/modules").join(&kernel.version);
        let mut modules = 0;
        for copy in 0..copies {
            let (place, prefix) = match copy {
                0 => ("kernel".to_owned(), String::new()),
                copy => (format!("kernel{copy}"), format!("copy{copy}_")),
            };
            modules += link_all(source, &directory.join(place), &prefix)?;
        }
        for name in BUILD_FILES {
            let path = kernel.modules().join(name);
            fs::copy(&path, directory.join(name)).with_context(|| path.display().to_string())?;
        }
        Ok(Self { temporary, directory, version: kernel.version.clone(), modules })
    }

    /// The arguments by which depmod works here and reads no configuration of this machine.
    pub fn arguments(&self) -> [std::ffi::OsString; 5] {
        let root = self.temporary.path();
        ["-b".into(), root.into(), "-C".into(), root.join("none").into(), self.version.clone().into()]
    }

    /// A file beside the modules.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Takes away what a run made.
    pub fn take_database_away(&self) -> Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let is_made = path.is_file() && !BUILD_FILES.iter().any(|name| path.ends_with(name));
            if is_made {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Takes away what [`install`](Self::install) installed.
    pub fn uninstall(&self) -> Result<()> {
        Ok(fs::remove_dir_all(self.directory.join("updates"))?)
    }

    /// Installs a module anew, as DKMS does: always the same bytes in another file.
    pub fn install(&self, name: &str, packing: &str) -> Result<()> {
        let source = first_file(&self.directory.join("kernel/net"))?;
        let target = self.directory.join(format!("updates/dkms/{name}.ko.{packing}"));
        let temporary = target.with_extension("new");
        fs::create_dir_all(target.parent().context("a directory")?)?;
        fs::copy(source, &temporary)?;
        Ok(fs::rename(temporary, target)?)
    }
}

fn first_file(directory: &Path) -> Result<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    names.sort();
    let first = names.into_iter().next().with_context(|| format!("{}: empty", directory.display()))?;
    if first.is_dir() { first_file(&first) } else { Ok(first) }
}

/// Links all files below a directory to another one, their names behind a prefix; returns their number.
fn link_all(from: &Path, to: &Path, prefix: &str) -> Result<usize> {
    fs::create_dir_all(to)?;
    let mut total = 0;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            total += link_all(&entry.path(), &to.join(name), prefix)?;
        } else {
            fs::hard_link(entry.path(), to.join(format!("{prefix}{}", name.to_string_lossy())))?;
            total += 1;
        }
    }
    Ok(total)
}
