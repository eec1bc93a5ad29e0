//! `cargo xtask man` and `cargo xtask completions`: the pages and completions of this source tree against the
//! definitions of the tools.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use documents::{completions, page, tool};

const USAGE: &str = "usage: documents man | completions [--check]";

fn main() -> ExitCode {
    match run() {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                println!("{finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("documents: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<String>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).unwrap_or(here);
    let tools = tool::with_commands();
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["man"] => page::check(&root.join("man"), &tool::all()),
        ["completions"] => completions::renew(&root.join("completions"), &tools).map(|()| Vec::new()),
        ["completions", "--check"] => completions::check(&root.join("completions"), &tools),
        _ => bail!(USAGE),
    }
}
