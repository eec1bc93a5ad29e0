//! The C library beside kmod's: one C program on kmod 30's, kmod 34's and our library, on the same database.
//!
//! Each number is of a whole process, so what loading the library and what it needs costs is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use reference::{Cache, Limits, Program, Release, names, run as run_within};

use super::cost::{self, Subject};
use crate::libkmod::{Build, build};
use crate::{project, shell};

const ROUNDS: usize = 31;
/// Names that mean a module, and names that mean none: most devices of a machine have no module.
const KNOWN: usize = 200;
const UNKNOWN: usize = 300;
/// The largest library that is shipped, in bytes.
const LARGEST: u64 = 600_000;

/// Options: `--rounds N`, and `--library PATH` for a library that is built already.
pub fn run(options: &[&str]) -> Result<()> {
    let (mut rounds, mut library) = (ROUNDS, None);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match (*word, words.next()) {
            ("--rounds", Some(value)) => rounds = value.parse().context("--rounds NUMBER")?,
            ("--library", Some(path)) => library = Some(std::path::absolute(path)?),
            _ => bail!("usage: cargo xtask bench libkmod [--rounds N] [--library PATH]"),
        }
    }
    let cache = Cache::of_user()?;
    let library = library.map_or_else(|| build(Build::Shipped), Ok)?;
    let temporary = tempfile::tempdir()?;
    let program = compile(temporary.path(), &library)?;
    let database = Database::new(&cache, temporary.path())?;
    let size = fs::metadata(&library)?.len();
    println!("library: {size} bytes, {LARGEST} are the limit");
    let rows = [
        ("context: made and dropped", vec!["context".into()]),
        ("lookups: 500 aliases", vec!["lookups".into(), database.aliases.clone()]),
        ("info: every module", vec!["info".into(), database.modules.clone()]),
    ];
    for (name, mut words) in rows {
        words.insert(1, database.directory.clone());
        let subjects = subjects(&cache, &program, &library, &words)?;
        same_answers(&subjects)?;
        let costs = cost::costs(&subjects, rounds, &|| Ok(()))?;
        println!("{name}\n{}", cost::table(&subjects, &costs));
    }
    ensure!(size <= LARGEST, "the library has {size} bytes");
    Ok(())
}

fn subjects(cache: &Cache, program: &Path, library: &Path, words: &[PathBuf]) -> Result<Vec<Subject>> {
    let with = |name: &str, release, before| -> Result<Subject> {
        let started = Program::with_libraries_of(cache, release, "ask", program, before)?;
        let words = started.words().into_iter().chain(words.iter().map(|word| word.clone().into()));
        Ok(Subject { name: name.to_owned(), words: words.collect() })
    };
    Ok(vec![
        with("ours", Release::Kmod34, library.parent())?,
        with("kmod 34", Release::Kmod34, None)?,
        with("kmod 30", Release::Kmod30, None)?,
    ])
}

/// All three must find the same number of modules or strings, or there is nothing to compare.
fn same_answers(subjects: &[Subject]) -> Result<()> {
    let mut answers = BTreeSet::new();
    for subject in subjects {
        let mut words = subject.words.iter();
        let mut command = Command::new(words.next().context("no program")?);
        command.args(words);
        let outcome = run_within(command, &Limits::default())?;
        answers.insert(String::from_utf8_lossy(&outcome.stdout).into_owned());
    }
    ensure!(answers.len() == 1, "the answers differ: {answers:?}");
    Ok(())
}

fn compile(directory: &Path, library: &Path) -> Result<PathBuf> {
    let program = directory.join("ask");
    let root = project::root();
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-O2", "-Wall", "-Werror", "-I"]).arg(root.join("crates/libkmod/include"));
    cc.arg("-o").arg(&program).arg(root.join("xtask/src/bench/libkmod/ask.c")).arg(library);
    shell::quietly(&mut cc)?;
    Ok(program)
}

/// The database of the real modules, and what is asked of it.
struct Database {
    directory: PathBuf,
    aliases: PathBuf,
    modules: PathBuf,
}

impl Database {
    fn new(cache: &Cache, temporary: &Path) -> Result<Self> {
        let kernel = cache.kernel()?;
        let root = temporary.join("root");
        kernel.lay_out(&kernel.modules(), &root)?;
        let mut depmod = Program::reference(cache, Release::Kmod34, "depmod")?.command();
        depmod.arg("-b").arg(&root).arg("-C").arg(root.join("none")).arg(&kernel.version);
        shell::quietly(&mut depmod)?;
        let directory = root.join("lib/modules").join(&kernel.version);
        let all = names::of_database(&directory)?;
        let write = |name: &str, lines: Vec<String>| -> Result<PathBuf> {
            let path = temporary.join(name);
            fs::write(&path, lines.join("\n") + "\n")?;
            Ok(path)
        };
        let aliases = write("aliases", aliases(&all)?)?;
        let is_module = |name: &&String| !name.contains([':', '-', '.']);
        let modules = write("modules", all.iter().filter(is_module).cloned().collect())?;
        Ok(Self { directory, aliases, modules })
    }
}

/// Aliases as devices have them: some of each bus that modules are found for, in turn with others of the same form
/// that no module has.
fn aliases(all: &BTreeSet<String>) -> Result<Vec<String>> {
    let buses = ["pci:", "usb:", "acpi", "hid:", "input:", "i2c:", "of:", "platform:", "sdio:", "pnp:"];
    let devices: Vec<&String> =
        all.iter().filter(|name| buses.iter().any(|bus| name.starts_with(bus))).collect();
    let step = devices.len() / KNOWN;
    ensure!(step > 0, "only {} aliases of devices", devices.len());
    let known = devices.iter().step_by(step).take(KNOWN).map(|name| (*name).clone());
    let unknown = (0..UNKNOWN).map(|number| match number % 4 {
        0 => format!("pci:v0000FFF{:X}d0000{number:04X}sv00001028sd0000{number:04X}bc08sc80i00", number % 16),
        1 => format!("usb:vFFF{:X}p{number:04X}d0100dc00dsc00dp00icFEisc01ip01in00", number % 16),
        2 => format!("acpi:ZZZ{number:04X}:"),
        _ => format!("input:b0019v0000p{number:04X}e0000-e0,1,k74,ramlsfw"),
    });
    let mut aliases: Vec<String> = known.chain(unknown).collect();
    // Not sorted: one device's neighbour is of another kind.
    aliases.sort_by_key(|alias| alias.bytes().rev().collect::<Vec<_>>());
    Ok(aliases)
}
