//! depmod where fakechroot is at work: that stands before the C library's functions, which a static program has inside
//! of itself. On the real root it would write another system's database.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::world::{Build, Root, make_database, modules, release};

const REFUSAL: &str = "depmod: FATAL: this program is static, so that fakechroot cannot keep it inside of its \
    directory; use the one that is built for the system's C library\n";

/// Runs that would look or write.
const RUNS: [&[&str]; 5] = [&["-a"], &["-A"], &["-n"], &["--check"], &["--remove"]];

/// Every check of a static build: its name, and how it ended.
pub fn checks(build: Build<'_>) -> Vec<(String, Result<()>)> {
    RUNS.iter()
        .map(|words| {
            let name = words.concat().trim_start_matches('-').to_owned();
            (format!("fakechroot/a-static-depmod-refuses-{name}"), refuses(build, words))
        })
        .collect()
}

fn refuses(build: Build<'_>, words: &[&str]) -> Result<()> {
    let root = Root::new(build, &modules()?)?;
    make_database(&root, build)?;
    // Without it `-A` would have nothing to do.
    let release = release()?;
    fs::remove_file(root.at(&format!("/lib/modules/{release}/modules.dep")))?;
    let before = files(root.path())?;
    let output = Command::new("unshare")
        .args(["-Ur", "-R"])
        .arg(root.path())
        .arg("/sbin/depmod")
        .args(words)
        .arg(&release)
        .env("FAKECHROOT", "true")
        .output()
        .context("cannot start unshare")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    ensure!(said == REFUSAL && output.stdout.is_empty(), "it said: {said}");
    ensure!(files(root.path())? == before, "a file was changed");
    Ok(())
}

/// All files below a directory, and when each was changed.
fn files(directory: &Path) -> Result<Vec<(PathBuf, i64, i64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let metadata = path.symlink_metadata()?;
        found.push((path.clone(), metadata.ctime(), metadata.ctime_nsec()));
        if metadata.is_dir() {
            found.extend(files(&path)?);
        }
    }
    found.sort();
    Ok(found)
}
