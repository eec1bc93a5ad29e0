//! `cargo xtask bench depmod`: ours against the references on one tree, in one session, in paired runs whose
//! order alternates, so that whatever else the machine does falls on all of them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use reference::{Cache, Kernel, Program, Release};

use super::median;
use crate::{project, shell};

/// What one run cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Wall time in microseconds.
    wall: f64,
    /// User and system time of all threads, in microseconds.
    cpu: f64,
    /// Largest resident size in KiB.
    memory: f64,
}

struct Settings<'o> {
    tree: &'o str,
    rounds: usize,
}

/// Options: `[--tree plain|xz|zst|gz] [--rounds N]`.
pub fn run(options: &[&str]) -> Result<()> {
    let tool = "depmod";
    let settings = settings(options)?;
    let built = project::build(tool)?;
    let cache = Cache::of_user()?;
    let kernel = cache.kernel()?;
    let mut subjects = vec![("ours".to_owned(), Program::plain(tool, &built.path))];
    for release in Release::ALL {
        let program = Program::reference(&cache, release, tool)?;
        println!("{release}: {}", program.version()?);
        subjects.push((release.to_string(), program));
    }
    println!("ours: {}", built.description);

    let root = tempfile::tempdir()?;
    let modules = lay_out(&cache, &kernel, settings.tree, root.path())?;
    println!("{modules} modules, {}; {} rounds after one to warm up\n", settings.tree, settings.rounds);
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    for round in 0..=settings.rounds {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for subject in order {
            let (Some((name, program)), Some(list)) = (subjects.get(subject), costs.get_mut(subject)) else {
                continue;
            };
            let cost = once(program, root.path(), &kernel).with_context(|| name.clone())?;
            if round > 0 {
                list.push(cost);
            }
        }
    }
    let names: Vec<&str> = subjects.iter().map(|(name, _)| name.as_str()).collect();
    print!("{}", table(&names, &costs));
    Ok(())
}

fn settings<'o>(options: &[&'o str]) -> Result<Settings<'o>> {
    let mut settings = Settings { tree: "plain", rounds: 15 };
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match *word {
            "--tree" => settings.tree = value,
            "--rounds" => settings.rounds = value.parse().context("--rounds takes a number")?,
            other => bail!("unknown option {other}"),
        }
    }
    ensure!(settings.rounds > 0, "at least one round is needed");
    Ok(settings)
}

/// A root directory whose modules are the kernel's, by a link; gives their number.
fn lay_out(cache: &Cache, kernel: &Kernel, tree: &str, root: &Path) -> Result<usize> {
    let source = match tree {
        "plain" => kernel.modules(),
        "xz" | "zst" | "gz" => cache.derived(&format!("{}.{tree}", kernel.version)),
        other => bail!("no tree '{other}'; there are: plain, xz, zst, gz"),
    };
    let modules = source.join("kernel");
    ensure!(modules.is_dir(), "{}: not there; cargo xtask compliance makes it", modules.display());
    kernel.lay_out(&source, root)?;
    count(&modules)
}

fn count(directory: &Path) -> Result<usize> {
    let mut total = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(total)
}

/// Runs one depmod in a process of its own that measures its only child.
fn once(program: &Program, root: &Path, kernel: &Kernel) -> Result<Cost> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("measure").args(program.words());
    // A configuration directory that is not there: the machine's own must not count.
    command.arg("-b").arg(root).arg("-C").arg(root.join("none")).arg(&kernel.version);
    let line = shell::output(&mut command)?;
    let numbers: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [wall, cpu, memory] = *numbers.as_slice() else { bail!("three numbers expected, got: {line}") };
    Ok(Cost { wall, cpu, memory })
}

/// The inner half of a measurement: runs a command, prints microseconds of wall time and of processor time
/// and the peak of memory in KiB. It has no other children, so what the kernel adds up is that command's.
pub fn measure(words: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = words else { bail!("measure what?") };
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let wall = start.elapsed();
    ensure!(status.success(), "{program}: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let cpu = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    writeln!(std::io::stdout(), "{} {cpu} {}", wall.as_micros(), usage.max_rss())?;
    Ok(())
}

fn table(names: &[&str], costs: &[Vec<Cost>]) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(out, "{:22}{:>10}{:>10}{:>10}", "median", "wall ms", "CPU ms", "peak MiB");
    for (name, list) in names.iter().zip(costs) {
        let of = |part: fn(&Cost) -> f64| median(list.iter().map(part).collect());
        let (wall, cpu, memory) = (of(|cost| cost.wall), of(|cost| cost.cpu), of(|cost| cost.memory));
        let _ = writeln!(out, "{name:22}{:10.1}{:10.1}{:10.1}", wall / 1e3, cpu / 1e3, memory / 1024.0);
    }
    let Some((ours, others)) = costs.split_first() else { return out };
    for (name, theirs) in names.iter().skip(1).zip(others) {
        let ratio = |part: fn(&Cost) -> f64| {
            let pairs = ours.iter().zip(theirs);
            median(pairs.map(|(our, their)| part(our) / part(their)).collect())
        };
        let (wall, cpu, memory) =
            (ratio(|cost| cost.wall), ratio(|cost| cost.cpu), ratio(|cost| cost.memory));
        let _ = writeln!(out, "{:22}{wall:10.3}{cpu:10.3}{memory:10.3}", format!("ours / {name}"));
    }
    out
}
