//! `cargo xtask packaging`: builds what is shipped and tries the packages out in throwaway systems.

use anyhow::Result;

use crate::{dist, project, setup, shell};

/// Needs root: systems are mounted and entered.
pub fn run() -> Result<()> {
    if shell::output(std::process::Command::new("id").arg("-u"))?.trim() != "0" {
        return shell::skipped("tests of the Debian package", "only root can enter a system of its own");
    }
    let (system, packages) = setup::packaging()?;
    let shipped = dist::all()?;
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "packaging", "--"]).arg(system).arg(packages);
    for what in [&shipped.package, &shipped.depmod, &shipped.emulated_depmod] {
        command.arg(what);
    }
    shell::run(&mut command)
}
