//! C programs, compiled against our own header, on three libraries: kmod 30's, kmod 34's and ours. Each test of
//! them prints what it is answered; ours must answer what kmod 34's does, in the same prepared world.
//!
//! `cargo xtask libkmod test` builds the library and starts this. What differs by intention is recorded in
//! `differences`, with what each of the three says; COMPATIBILITY.md gives the reason.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod checked;
mod compare;
mod compile;
mod symbols;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use reference::Cache;

use checked::Checker;
use compare::{Library, Records};

const USAGE: &str = "\
usage: libkmod-c --ours LIBRARY [--only TEXT] [--record] [--memcheck | --asan]
  --ours LIBRARY  our libkmod.so.2
  --only TEXT     only tests whose names contain TEXT
  --memcheck      run the tests on ours under valgrind, and compare nothing
  --asan          the same with AddressSanitizer in the programs
  --record        write down what differs, to be read before it is committed
";

struct Options {
    ours: PathBuf,
    only: String,
    records: Records,
    checker: Option<Checker>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("libkmod-c: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options =
        Options { ours: PathBuf::new(), only: String::new(), records: Records::Compare, checker: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--ours" => options.ours = std::path::absolute(words.next().context(USAGE)?)?,
            "--only" => options.only = words.next().context(USAGE)?,
            "--memcheck" => options.checker = Some(Checker::Valgrind),
            "--asan" => options.checker = Some(Checker::AddressSanitizer),
            "--record" => options.records = Records::Renew,
            _ => bail!("{USAGE}"),
        }
    }
    ensure!(options.ours.is_file(), "{}: no such library\n{USAGE}", options.ours.display());
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    let cache = Cache::of_user()?;
    let temporary = tempfile::tempdir()?;
    let programs = compile::all(&temporary.path().join("programs"), &options.ours, options.checker)?;
    symbols::check(&cache, &options.ours, &programs)?;
    compile::header_in_cplusplus(temporary.path())?;
    if let Some(checker) = options.checker {
        return checked::run(checker, &cache, &options.ours, &programs, &world::tree());
    }
    let libraries = Library::all(&cache, &options.ours)?;
    let world = world::tree();
    compare::all(&cache, &libraries, &programs, &world, &options.only, options.records)
}
