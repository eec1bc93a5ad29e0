//! `cargo xtask compliance`: builds our tools and hands them to the comparison with kmod.

use anyhow::{Result, bail};

use crate::{libkmod, project, shell};

/// Runs the comparison for the tools named by the first option; further options go to it as they are.
pub fn run(options: &[&str]) -> Result<()> {
    let (tool, rest) = match options {
        [tool, rest @ ..] if suite::has(tool) => (*tool, rest),
        [] => ("depmod", options),
        [option, ..] if option.starts_with('-') => ("depmod", options),
        [unknown, ..] => bail!("no comparison for '{unknown}'; there are: {}", suite::words()),
    };
    let cargo_run = |package: &str| {
        let mut command = project::cargo();
        command.args(["run", "--quiet", "--package", package, "--"]);
        command
    };
    if rest.contains(&"--ours") {
        return shell::run(cargo_run("compliance").args(["--tool", tool]).args(rest));
    }
    let built = project::build(tool)?;
    println!("ours: {}", built.description);
    shell::run(cargo_run("compliance").args(["--tool", tool, "--ours"]).arg(&built.path).args(rest))?;
    if tool == "depmod" && rest.is_empty() {
        let oracle = || {
            let mut oracle = cargo_run("libkmod-oracle");
            oracle.arg("--ours").arg(&built.path);
            oracle
        };
        shell::run(&mut oracle())?;
        let library = libkmod::build(libkmod::Build::Tests)?;
        let mut ours = oracle();
        shell::run(libkmod::loaded_first(ours.arg("--library").arg(&library), &library)?)?;
    }
    Ok(())
}
