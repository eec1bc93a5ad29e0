//! `cargo xtask packaging`: builds what is shipped and tries the packages out in throwaway systems.

use anyhow::Result;

use crate::{dist, project, setup, shell};

/// Runs the scenarios whose names contain one of `options`, or all; after `--debian 13`, those of the packages alone in
/// that release. Needs root: systems are mounted and entered.
pub fn run(options: &[&str]) -> Result<()> {
    if shell::output(std::process::Command::new("id").arg("-u"))?.trim() != "0" {
        return shell::skipped("tests of the Debian package", "only root can enter a system of its own");
    }
    setup::packaging(options.starts_with(&["--debian", "13"]))?;
    let shipped = dist::all()?;
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "packaging", "--"]);
    command.args([&shipped.tools, &shipped.emulated_tools]);
    // Twice, because it may replace what is there.
    let prefix = tempfile::tempdir()?;
    for _ in 0..2 {
        dist::install(&["--prefix", &prefix.path().to_string_lossy()])?;
    }
    shell::run(command.arg(prefix.path()).args(&shipped.packages).arg("--").args(options))
}
