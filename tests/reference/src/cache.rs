//! The directory that keeps what setup has fetched, shared by all clones of a user.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The cache directory. Its entries are complete whenever they exist, since they are renamed into place.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// An unpacked Debian kernel package and its headers.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What `uname -r` says on it.
    pub version: String,
    /// Where the packages were unpacked: `boot`, `usr/lib/modules` or `lib/modules`, `usr/src`.
    pub root: PathBuf,
}

impl Cache {
    /// `$MODUTILS_RS_CACHE`, else `modutils-rs` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    ///
    /// # Errors
    /// If none of the variables, nor `HOME`, says where.
    pub fn of_user() -> Result<Self> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory = variable("MODUTILS_RS_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("modutils-rs")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/modutils-rs")))
            .context("none of MODUTILS_RS_CACHE, XDG_CACHE_HOME and HOME is set: where to keep downloads?")?;
        Ok(Self { directory: std::path::absolute(directory)? })
    }

    /// The directory itself; it need not exist.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a kmod release is unpacked, whether it is there or not.
    pub fn kmod(&self, release: &str) -> PathBuf {
        self.directory.join(format!("kmod-{release}"))
    }

    /// The root directory of a minimal Debian of that number with kmod, whether it is there or not.
    pub fn system(&self, debian: &str) -> PathBuf {
        self.directory.join(format!("debian-{debian}"))
    }

    /// The root directory of a Debian of that number with what uses module tools, but without a kernel, whether it is
    /// there or not.
    pub fn system_for_kernels(&self, debian: &str) -> PathBuf {
        self.directory.join(format!("debian-{debian}-for-kernels"))
    }

    /// The directory of kmod's packages, two releases of them, whether it is there or not.
    pub fn kmod_packages(&self) -> PathBuf {
        self.directory.join("kmod-packages")
    }

    /// The directory of the packages of a Debian's kernel, whether it is there or not.
    pub fn kernel_packages(&self, debian: &str) -> PathBuf {
        self.directory.join(format!("kernel-packages-{debian}"))
    }

    /// The directory of a Debian's packages whose programs call module tools, whether it is there or not.
    pub fn caller_packages(&self, debian: &str) -> PathBuf {
        self.directory.join(format!("caller-packages-{debian}"))
    }

    /// Where the kernel packages are unpacked, whether they are there or not.
    pub fn kernel_root(&self) -> PathBuf {
        self.directory.join("kernel")
    }

    /// Where the newer kernel is unpacked that Debian 12 offers beside its own, whether it is there or not.
    pub fn newer_kernel_root(&self) -> PathBuf {
        self.directory.join("kernel-6.12")
    }

    /// A directory for what was made from the kernel packages, such as recompressed modules.
    pub fn derived(&self, name: &str) -> PathBuf {
        self.directory.join("derived").join(name)
    }

    /// The Debian kernel that setup has unpacked.
    ///
    /// # Errors
    /// If setup has not run, or the packages hold something else than expected.
    pub fn kernel(&self) -> Result<Kernel> {
        Self::kernel_in(self.kernel_root())
    }

    /// The newer kernel that setup has unpacked. Its modules are compressed, as the distribution chose.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn newer_kernel(&self) -> Result<Kernel> {
        Self::kernel_in(self.newer_kernel_root())
    }

    fn kernel_in(root: PathBuf) -> Result<Kernel> {
        let modules = root.join("lib/modules");
        let entries = fs::read_dir(&modules)
            .with_context(|| format!("{}: no kernel unpacked; run cargo xtask setup", modules.display()))?;
        let mut versions = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.path().join("kernel").is_dir() {
                versions.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        versions.sort();
        match versions.pop() {
            Some(version) => Ok(Kernel { version, root }),
            None => bail!("{}: holds no kernel; remove it and run cargo xtask setup", modules.display()),
        }
    }
}

impl Kernel {
    /// The module directory.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    /// Makes a root directory for depmod: the modules are those below `source`, by a link to its directory
    /// `kernel`, since nothing writes there; what the kernel's build lists is copied.
    ///
    /// # Errors
    /// What the file system said.
    pub fn lay_out(&self, source: &Path, root: &Path) -> Result<()> {
        let directory = root.join("lib/modules").join(&self.version);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        symlink(source.join("kernel"), directory.join("kernel"))?;
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            let path = self.modules().join(name);
            fs::copy(&path, directory.join(name)).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// The compressed kernel image.
    pub fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.version))
    }

    /// `Module.symvers` of the headers package: every exported symbol with its checksum.
    pub fn symvers(&self) -> PathBuf {
        self.root.join("usr/src").join(format!("linux-headers-{}", self.version)).join("Module.symvers")
    }
}
