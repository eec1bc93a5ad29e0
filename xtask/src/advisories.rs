//! `cargo xtask advisories DATABASE`: what is known to be wrong with the packages of Cargo.lock, by cargo-audit and a
//! copy of the RustSec database that somebody brought. A step of a release: nothing is fetched, and CI does not ask.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{project, shell};

/// Fails if an advisory applies, or if there is no answer.
pub fn run(database: &str) -> Result<()> {
    let database = std::path::absolute(database)?;
    ensure!(is_database(&database), "{}: no directory crates, so no advisory database", database.display());
    ensure!(shell::exists("cargo-audit"), "cargo-audit is not installed");
    let mut audit = project::cargo();
    audit.args(["audit", "--no-fetch", "--stale", "--deny", "warnings", "--db"]).arg(&database);
    shell::run(&mut audit)
}

fn is_database(directory: &Path) -> bool {
    directory.join("crates").is_dir()
}
