//! libkmod as an oracle, in this process: a database that our depmod built must answer it exactly as one that
//! kmod 34 built, for every module name, every alias with its wildcards filled in, and every symbol of a real
//! kernel's modules. Any libkmod.so.2 may be asked: the system's, or ours. It is a package of its own because the `kmod`
//! crate needs libclang to be built.
//!
//! And `moddb`, the reading half of our own library, must give the same answers on our database: names, paths, and
//! dependencies in their order. What the `kmod` crate cannot say, error codes above all, is not compared here.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use kmod::Context;
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::{self, ModuleDir};
use reference::{Cache, Ending, Kernel, Limits, Program, Release, names, run};

/// A module as libkmod found it: its name, its path below the root, and its dependencies' paths in order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    name: String,
    path: String,
    dependencies: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--ours", program] => compare(Path::new(program)),
        ["--ours", program, "--library", library] => {
            is_loaded(Path::new(library)).and_then(|()| compare(Path::new(program)))
        }
        _ => Err(anyhow::anyhow!("usage: libkmod-oracle --ours DEPMOD [--library LIBKMOD]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("libkmod-oracle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this library, and no other, answers in this process.
fn is_loaded(library: &Path) -> Result<()> {
    let library = library.canonicalize()?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let loaded = maps.lines().filter_map(|line| Some(Path::new(line.get(line.find('/')?..)?)));
    let loaded: BTreeSet<_> = loaded.filter(|path| path.to_string_lossy().contains("libkmod.so")).collect();
    ensure!(loaded.iter().eq([&library.as_path()]), "not {}, but {loaded:?} is loaded", library.display());
    Ok(())
}

fn compare(ours: &Path) -> Result<()> {
    let cache = Cache::of_user()?;
    let kernel = cache.kernel()?;
    let temporary = tempfile::tempdir()?;
    let our_root = temporary.path().join("ours");
    let their_root = temporary.path().join("kmod-34");
    build(&Program::plain("depmod", &std::path::absolute(ours)?), &kernel, &our_root)?;
    build(&Program::reference(&cache, Release::Kmod34, "depmod")?, &kernel, &their_root)?;

    let ours = Context::new_with_dirname(&directory(&kernel, &our_root))?;
    let moddb = our_reader(&directory(&kernel, &our_root));
    let theirs = Context::new_with_dirname(&directory(&kernel, &their_root))?;
    // What is asked comes from the reference's files, so that nothing that ours lacks goes unasked.
    let questions = questions(&directory(&kernel, &their_root))?;
    ensure!(questions.len() > 10_000, "only {} names to ask for", questions.len());
    let mut answers = 0;
    let mut differences = 0;
    for name in &questions {
        let expected = resolve(&theirs, name, &their_root)?;
        let got = resolve(&ours, name, &our_root)?;
        let read = read_by_us(&moddb, name, &our_root)?;
        answers += expected.len();
        if expected != got || expected != read {
            differences += 1;
            if differences <= 20 {
                println!(
                    "DIFFERENT: {name}:\n    ours   {got:?}\n    moddb  {read:?}\n    theirs {expected:?}"
                );
            }
        }
    }
    ensure!(
        answers >= questions.len() / 2,
        "libkmod found only {answers} modules for {} names",
        questions.len()
    );
    println!(
        "libkmod oracle: {} names asked, {answers} modules found, {differences} different",
        questions.len()
    );
    ensure!(differences == 0, "{differences} names resolve differently");
    Ok(())
}

fn directory(kernel: &Kernel, root: &Path) -> PathBuf {
    root.join("lib/modules").join(&kernel.version)
}

fn build(program: &Program, kernel: &Kernel, root: &Path) -> Result<()> {
    kernel.lay_out(&kernel.modules(), root)?;
    let mut command = program.command();
    command.arg("-b").arg(root).arg("-C").arg(root.join("none")).arg(&kernel.version);
    let outcome = run(command, &Limits::default())?;
    if outcome.ending != Ending::Exit(0) {
        bail!("depmod: {:?}: {}", outcome.ending, String::from_utf8_lossy(&outcome.stderr));
    }
    Ok(())
}

/// Every name that a database is asked for.
fn questions(directory: &Path) -> Result<BTreeSet<String>> {
    let mut questions = names::of_database(directory)?;
    questions.insert("no_such_module_at_all".to_owned());
    Ok(questions)
}

/// Our reader of a database, with the configuration that libkmod reads: this machine's.
fn our_reader(directory: &Path) -> ModuleDb {
    let directory = ModuleDir::at(directory.to_owned());
    let cmdline = Path::new(paths::KERNEL_COMMAND_LINE);
    let (config, _) = Config::load(&paths::modprobe_d(), &directory.configuration(), Some(cmdline));
    ModuleDb::new(directory, config)
}

/// All that `moddb` finds for a name, in its order.
fn read_by_us(db: &ModuleDb, name: &str, root: &Path) -> Result<Vec<Found>> {
    let below_root =
        |path: &Path| -> Result<String> { Ok(path.strip_prefix(root)?.to_string_lossy().into_owned()) };
    db.resolve(name.as_bytes())
        .into_iter()
        .map(|entry| {
            let dependencies = entry.dependencies.iter().map(|dependency| below_root(&dependency.path));
            Ok(Found {
                name: entry.name.to_text().into_owned(),
                path: entry.path.as_deref().map_or_else(|| Ok(String::new()), below_root)?,
                dependencies: dependencies.collect::<Result<_>>()?,
            })
        })
        .collect()
}

/// All that libkmod finds for a name, in its order. A name that it refuses finds nothing.
fn resolve(context: &Context, name: &str, root: &Path) -> Result<Vec<Found>> {
    let Ok(modules) = context.module_new_from_lookup(name) else { return Ok(Vec::new()) };
    let below_root = |path: Option<&std::ffi::OsStr>| -> Result<String> {
        let Some(path) = path else { return Ok(String::new()) };
        Ok(Path::new(path).strip_prefix(root)?.to_string_lossy().into_owned())
    };
    modules
        .map(|module| {
            let dependencies = module.dependencies().map(|dependency| below_root(dependency.path()));
            Ok(Found {
                name: module.name().to_string_lossy().into_owned(),
                path: below_root(module.path())?,
                dependencies: dependencies.collect::<Result<_>>()?,
            })
        })
        .collect()
}
