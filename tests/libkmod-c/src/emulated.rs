//! Our library for another machine, in its emulator: each test prints there what it prints here.

use anyhow::{Result, bail, ensure};
use fixtures::Tree;
use reference::Cache;

use crate::compare::{Library, difference, one};
use crate::compile::Compiled;

/// Our library for a machine, and the programs on it.
pub struct Ours {
    /// The library.
    pub library: Library,
    /// The programs.
    pub programs: Vec<Compiled>,
}

/// Runs all tests on both machines; fails if one of them prints something else there.
pub fn run(cache: &Cache, here: &Ours, there: &Ours, tree: &Tree, only: &str) -> Result<()> {
    let (mut count, mut wrong) = (0, 0);
    for (program, emulated) in here.programs.iter().zip(&there.programs) {
        ensure!(program.tests == emulated.tests, "{}: other tests there than here", program.name);
        for test in program.tests.iter().filter(|test| test.contains(only)) {
            count += 1;
            let ours = one(cache, &here.library, program, test, tree)?;
            let theirs = one(cache, &there.library, emulated, test, tree)?;
            ensure!(!ours.is_empty(), "{test} prints nothing");
            if ours != theirs {
                wrong += 1;
                println!("{test} differs:\n{}", difference([("here", &ours), ("emulated", &theirs)])?);
            }
        }
    }
    println!("libkmod: {count} tests, {} in the emulator as here", count - wrong);
    ensure!(count > 0, "no test is called like that");
    if wrong == 0 { Ok(()) } else { bail!("{wrong} tests differ") }
}
