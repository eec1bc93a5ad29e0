//! Root directories in which the tools run: everything that they look at is a plain file, made for the purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fixtures::{Module, Tree};
use suite::TOOLS;

/// A build of the tools: a directory that holds them.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a>(pub &'a Path);

/// A root directory; it goes with the value.
pub struct Root(tempfile::TempDir);

impl Root {
    /// A root with these files and the tools of a build, and with the libraries that they need, if any.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(build: Build<'_>, tree: &Tree) -> Result<Self> {
        let root = Self(tempfile::tempdir()?);
        tree.write(&root.at("/"))?;
        fs::create_dir_all(root.at("/sbin"))?;
        for tool in TOOLS {
            let from = build.0.join(tool);
            fs::copy(&from, root.at("/sbin").join(tool)).with_context(|| from.display().to_string())?;
            for library in libraries(&from)? {
                let place = root.at(&library);
                fs::create_dir_all(place.parent().context("a library without a directory")?)?;
                fs::copy(&library, place)?;
            }
        }
        Ok(root)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path inside, as one outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there, and the directories above it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.at(path);
        fs::create_dir_all(path.parent().context("a file without a directory")?)?;
        fs::write(&path, content).with_context(|| path.display().to_string())
    }
}

/// What the dynamic loader brings in for a program, the loader itself included; nothing for a static one.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `NAME => PATH (ADDRESS)`, or only `PATH (ADDRESS)` for the loader.
    let words = text.lines().flat_map(str::split_ascii_whitespace);
    Ok(words.filter(|word| word.starts_with('/')).map(str::to_owned).collect())
}

/// The release of the kernel that runs here.
///
/// # Errors
/// When it cannot be read.
pub fn release() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// A few modules with aliases, dependencies and a module that is built in.
///
/// # Errors
/// When the kernel's release cannot be read.
pub fn modules() -> Result<Tree> {
    let module = |name: &str| Module::new(name).info("license=MIT");
    Ok(Tree::new(&release()?)
        .module("kernel/low.ko", module("low").export("low_symbol", 1))
        .module("kernel/top.ko", module("top").need("low_symbol").info("depends=low").alias("net-pf-29"))
        .module("kernel/packed.ko.xz", module("packed").alias("fs-packed"))
        .order(&["kernel/low.ko", "kernel/top.ko", "kernel/packed.ko.xz"])
        .builtin(&["kernel/part.ko"])
        .builtin_modinfo(&["part.license=MIT"])
        .directory("/run"))
}

/// Has the build's own depmod make the database.
///
/// # Errors
/// When it fails.
pub fn make_database(root: &Root, build: Build<'_>) -> Result<()> {
    let status = Command::new(build.0.join("depmod"))
        .arg("-b")
        .arg(root.path())
        .arg(release()?)
        .status()
        .context("cannot start depmod")?;
    ensure!(status.success(), "depmod: {status}");
    Ok(())
}
