//! C programs, compiled against our own header, on three libraries: kmod 30's, kmod 34's and ours. Each test of
//! them prints what it is answered; ours must answer what kmod 34's does, in the same prepared world.
//!
//! `cargo xtask libkmod test` builds the library and starts this. What differs by intention is recorded in
//! `differences`, with what each of the three says; COMPATIBILITY.md gives the reason.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod checked;
mod compare;
mod compile;
mod emulated;
mod emulator;
mod symbols;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use reference::Cache;

use checked::Checker;
use compare::{Library, Records};
use emulated::Ours;
use emulator::Emulator;

const USAGE: &str = "\
usage: libkmod-c --ours LIBRARY [--only TEXT] [--record] [--memcheck | --asan | --emulated PROCESSOR LIBRARY]
  --ours LIBRARY  our libkmod.so.2
  --only TEXT     only tests whose names contain TEXT
  --memcheck      run the tests on ours under valgrind, and compare nothing
  --asan          the same with AddressSanitizer in the programs
  --emulated PROCESSOR LIBRARY  run the tests on ours, and in an emulator on ours for that processor, and compare
  --record        write down what differs, to be read before it is committed
";

struct Options {
    ours: PathBuf,
    only: String,
    records: Records,
    checker: Option<Checker>,
    emulated: Option<(String, PathBuf)>,
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
    let mut options = Options {
        ours: PathBuf::new(),
        only: String::new(),
        records: Records::Compare,
        checker: None,
        emulated: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--ours" => options.ours = std::path::absolute(words.next().context(USAGE)?)?,
            "--only" => options.only = words.next().context(USAGE)?,
            "--memcheck" => options.checker = Some(Checker::Valgrind),
            "--asan" => options.checker = Some(Checker::AddressSanitizer),
            "--emulated" => {
                let (processor, library) = words.next().zip(words.next()).context(USAGE)?;
                options.emulated = Some((processor, std::path::absolute(library)?));
            }
            "--record" => options.records = Records::Renew,
            _ => bail!("{USAGE}"),
        }
    }
    let compares = options.records == Records::Compare && options.checker.is_none();
    ensure!(compares || options.emulated.is_none(), "in an emulator nothing is recorded or checked\n{USAGE}");
    ensure!(options.ours.is_file(), "{}: no such library\n{USAGE}", options.ours.display());
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    let cache = Cache::of_user()?;
    let temporary = tempfile::tempdir()?;
    let programs = compile::all(&temporary.path().join("programs"), &options.ours, options.checker)?;
    symbols::check(&cache, &options.ours, &programs)?;
    compile::header_in_cplusplus(temporary.path())?;
    if let Some((processor, library)) = &options.emulated {
        let emulator = Emulator::of(processor)?;
        let compiled = compile::for_other(&temporary.path().join(processor), library, &emulator)?;
        symbols::check(&cache, library, &compiled)?;
        let here = Ours { library: Library::ours(&options.ours)?, programs };
        let there = Ours { library: Library::emulated(library, emulator)?, programs: compiled };
        return emulated::run(&cache, &here, &there, &world::tree(), &options.only);
    }
    if let Some(checker) = options.checker {
        return checked::run(checker, &cache, &options.ours, &programs, &world::tree());
    }
    let libraries = Library::all(&cache, &options.ours)?;
    let world = world::tree();
    compare::all(&cache, &libraries, &programs, &world, &options.only, options.records)
}
