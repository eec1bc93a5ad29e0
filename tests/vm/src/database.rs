//! The module database of the whole tree, made by the subject's depmod on this machine. The images hold few
//! modules but the indexes of all of them, so that look-ups meet the real size.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::kernel::Kernel;
use crate::subject::Subject;

/// Has the subject's depmod make the database in a directory below `scratch`, which is given. The modules are
/// reached through a link, so that the kernel package stays as it was unpacked.
///
/// # Errors
/// When depmod fails or makes no database.
pub fn build(subject: &Subject, kernel: &Kernel, scratch: &Path) -> Result<PathBuf> {
    let made = scratch.join("lib/modules").join(&kernel.release);
    fs::create_dir_all(&made)?;
    let modules = fs::canonicalize(kernel.modules_dir())
        .with_context(|| format!("cannot find {}", kernel.modules_dir().display()))?;
    symlink(modules.join("kernel"), made.join("kernel"))?;
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        fs::copy(modules.join(name), made.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let output = subject
        .command("depmod")?
        .arg("-b")
        .arg(scratch)
        .arg(&kernel.release)
        .stdin(Stdio::null())
        .output()
        .context("cannot start depmod")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "depmod failed with {}: {said}", output.status);
    let listed = fs::read_to_string(made.join("modules.dep"))
        .with_context(|| format!("depmod made no {}: {said}", made.join("modules.dep").display()))?;
    ensure!(!listed.is_empty(), "depmod found no modules through the link {}", made.join("kernel").display());
    Ok(made)
}

/// The files of a database.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(made: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(made)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("modules.") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
