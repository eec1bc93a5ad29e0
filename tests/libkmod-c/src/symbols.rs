//! What the library exports: kmod 34's functions with their versions, and one more of kmod 30's.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Release};

use crate::compile::Compiled;

/// Programs that were linked on kmod 30 ask for it; kmod 34 has it with another version only.
const OLD: &str = "kmod_module_new_from_name_lookup@LIBKMOD_5";

/// Compares the tables of symbols, and finds each function among the tests.
pub fn check(cache: &Cache, ours: &Path, programs: &[Compiled]) -> Result<()> {
    let root = cache.kmod(Release::Kmod34.number());
    let theirs = find(&root).with_context(|| format!("{}: no libkmod.so.2", root.display()))?;
    let mut expected = exported(&theirs)?;
    let functions =
        |symbols: &BTreeSet<String>| symbols.iter().filter(|name| name.starts_with("kmod_")).count();
    ensure!(functions(&expected) == 75, "kmod 34 exports {} functions", functions(&expected));
    expected.insert(OLD.to_owned());
    let got = exported(ours)?;
    let missing: Vec<_> = expected.difference(&got).collect();
    let more: Vec<_> = got.difference(&expected).collect();
    ensure!(missing.is_empty() && more.is_empty(), "exports: missing {missing:?}, too many {more:?}");
    let tests: BTreeSet<&str> =
        programs.iter().flat_map(|program| &program.tests).map(String::as_str).collect();
    let names =
        got.iter().filter_map(|symbol| symbol.split('@').next()).filter(|name| name.starts_with("kmod_"));
    let untested: Vec<_> = names.filter(|name| !tests.contains(name)).collect();
    ensure!(untested.is_empty(), "no test is called as {untested:?}");
    let needed = needed(ours)?;
    let allowed = |name: &String| name.starts_with("libc.so.") || name.starts_with("ld-linux");
    ensure!(needed.iter().all(allowed), "it needs {needed:?}");
    println!("libkmod: {} symbols as kmod 34 exports them, and {OLD}; it needs {needed:?}", got.len() - 1);
    Ok(())
}

fn exported(library: &Path) -> Result<BTreeSet<String>> {
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--with-symbol-versions"]).arg(library);
    let output = nm.output().context("nm")?;
    ensure!(output.status.success(), "{nm:?}: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    // Each version has one of its own.
    Ok(text.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect())
}

fn needed(library: &Path) -> Result<Vec<String>> {
    let output =
        Command::new("readelf").args(["--dynamic", "--wide"]).arg(library).output().context("readelf")?;
    let text = String::from_utf8(output.stdout)?;
    let name =
        |line: &str| Some(line.split_once("(NEEDED)")?.1.split_once('[')?.1.split_once(']')?.0.to_owned());
    Ok(text.lines().filter_map(name).collect())
}

fn find(directory: &Path) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() && !path.is_symlink() {
            return find(&path);
        }
        path.file_name().is_some_and(|name| name == "libkmod.so.2").then_some(path)
    })
}
