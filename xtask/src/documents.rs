//! `cargo xtask man` and `cargo xtask completions`: manual pages and completions against the tools' definitions.

use anyhow::Result;

use crate::{project, shell};

/// Hands `words` to the program that knows the definitions.
pub fn run(words: &[&str]) -> Result<()> {
    let mut command = project::cargo();
    command.args(["run", "--quiet", "--package", "documents", "--"]).args(words);
    shell::run(&mut command)
}
