//! Running other programs, each shown before it runs.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The command in the form in which a person would type it.
pub fn shown(command: &Command) -> String {
    // Cargo tells its children its full path, which nobody types.
    let program = command.get_program();
    let cargo = std::env::var_os("CARGO").is_some_and(|cargo| cargo == program);
    let program = if cargo { OsStr::new("cargo") } else { program };
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Shows and runs `command`; its output goes where ours goes.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{}: {status}", shown(command));
    Ok(())
}

/// Runs `command`; what it says is shown only if it fails.
pub fn quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", shown(command)))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "{}: {}\n{}",
        shown(command),
        output.status,
        String::from_utf8_lossy(&said)
    );
    Ok(())
}

/// What `command` prints, which must be UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(output.status.success(), "{}: {}", shown(command), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program of this name is on the search path.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Reports that something was not done; in CI that is a failure.
pub fn skipped(what: &str, why: &str) -> Result<()> {
    println!("SKIPPED: {what}: {why}");
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    ensure!(!in_ci, "skipped in CI: {what}: {why}");
    Ok(())
}
