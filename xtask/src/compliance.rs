//! `cargo xtask compliance`: builds our tools and hands them to the comparison with kmod.

use anyhow::{Result, bail};

use crate::{project, shell};

/// Runs the comparison for the tools named by the first option; further options go to it as they are.
pub fn run(options: &[&str]) -> Result<()> {
    let rest = match options {
        [] => options,
        ["depmod", rest @ ..] => rest,
        [option, ..] if option.starts_with('-') => options,
        [unknown, ..] => bail!("no comparison for '{unknown}'; there is: depmod"),
    };
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "compliance", "--"]);
    if !rest.contains(&"--ours") {
        let built = project::build("depmod")?;
        println!("ours: {}", built.description);
        command.arg("--ours").arg(built.path);
    }
    shell::run(command.args(rest))
}
