//! The C library beside kmod's: one C program on kmod 30's, kmod 34's and our library, on the same database.
//!
//! Each number is of a whole process, so what loading the library and what it needs costs is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use reference::{Cache, Limits, Program, Release, run as run_within};

use super::cost::{self, Subject};
use crate::libkmod::{Build, LARGEST, build, is_small};
use crate::{project, shell};

const ROUNDS: usize = 31;
/// What the devices of machines ask for.
const MODALIASES: &str = include_str!("modaliases");

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
        ("lookups: the aliases of a boot;", vec!["lookups".into(), database.aliases.clone()]),
        ("info: every module;", vec!["info".into(), database.modules.clone()]),
    ];
    for (name, mut words) in rows {
        words.insert(1, database.directory.clone());
        let subjects = subjects(&cache, &program, &library, &words)?;
        let answer = same_answers(&subjects)?;
        let costs = cost::costs(&subjects, rounds, &|| Ok(()))?;
        println!("{name} {answer}\n{}", cost::table(&subjects, &costs));
    }
    is_small(&library)
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

/// What all three say that they found; they must say the same, or there is nothing to compare.
fn same_answers(subjects: &[Subject]) -> Result<String> {
    let mut answers = BTreeSet::new();
    for subject in subjects {
        let mut words = subject.words.iter();
        let mut command = Command::new(words.next().context("no program")?);
        command.args(words);
        let outcome = run_within(command, &Limits::default())?;
        answers.insert(String::from_utf8_lossy(&outcome.stdout).trim_end().to_owned());
    }
    ensure!(answers.len() == 1, "the answers differ: {answers:?}");
    answers.pop_first().context("no answer")
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
        let write = |name: &str, lines: Vec<String>| -> Result<PathBuf> {
            let path = temporary.join(name);
            fs::write(&path, lines.join("\n") + "\n")?;
            Ok(path)
        };
        let aliases = MODALIASES.lines().filter(|line| !line.starts_with('#'));
        let aliases = write("aliases", aliases.map(str::to_owned).collect())?;
        let lines = fs::read_to_string(directory.join("modules.dep"))?;
        let module = |line: &str| Some(line.split_once(':')?.0.rsplit('/').next()?.to_owned());
        let modules = write("modules", lines.lines().filter_map(module).collect())?;
        Ok(Self { directory, aliases, modules })
    }
}
