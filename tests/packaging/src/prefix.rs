//! What is installed below a prefix, as `cargo xtask install` does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use suite::TOOLS;

/// Everything is in its place below the prefix, complete, and works from there.
pub fn works(prefix: &Path) -> Result<()> {
    for tool in TOOLS {
        // The program that is all of them is no administrator's alone.
        let program = prefix.join(if tool == "kmod" { "bin" } else { "sbin" }).join(tool);
        let version = text_of(Command::new(&program).arg("--version"))?;
        ensure!(version.contains("modutils-rs"), "{} says {version}", program.display());
        let page = prefix.join("share/man/man8").join(format!("{tool}.8"));
        let shown = text_of(Command::new("man").arg("--local-file").arg(&page).env("MANWIDTH", "80"))?;
        ensure!(shown.contains(&format!("{}(8)", tool.to_uppercase())), "man shows of {tool}:\n{shown}");
        let completion = prefix.join("share/bash-completion/completions").join(tool);
        text_of(Command::new("bash").arg("-n").arg(&completion))?;
        ensure!(
            prefix.join("share/fish/vendor_completions.d").join(format!("{tool}.fish")).is_file(),
            "no completion of {tool} for fish"
        );
    }
    ensure!(prefix.join("share/zsh/site-functions/_modutils-rs").is_file(), "no completion for zsh");
    let files = files_below(prefix)?;
    let bad = files.iter().find(|path| !path.exists() || path.extension().is_some_and(|end| end == "new"));
    ensure!(bad.is_none(), "left over, or a link to nothing: {bad:?}");
    let units = files.iter().filter(|path| path.starts_with(prefix.join("lib/systemd/system")));
    for unit in units {
        let text = fs::read_to_string(unit)?;
        ensure!(text.contains("[Unit]"), "{} is no unit", unit.display());
    }
    Ok(())
}

fn text_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => directories.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    Ok(files)
}
