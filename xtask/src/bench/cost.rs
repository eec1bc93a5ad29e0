//! What runs cost in time and memory, in paired runs whose order alternates, so that whatever else the machine does
//! falls on all of them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::median;
use crate::shell;

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Wall time in microseconds.
    wall: f64,
    /// User and system time of all threads, in microseconds.
    cpu: f64,
    /// Largest resident size in KiB.
    memory: f64,
}

/// A command line to be measured.
pub struct Subject {
    /// What the table calls it.
    pub name: String,
    /// The program and its arguments.
    pub words: Vec<OsString>,
}

/// Runs all subjects in turn, `rounds` times after one to warm up; returns the costs of each. `prepare` runs before
/// every single one.
pub fn costs(
    subjects: &[Subject],
    rounds: usize,
    prepare: &dyn Fn() -> Result<()>,
) -> Result<Vec<Vec<Cost>>> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    for round in 0..=rounds {
        let mut order: Vec<_> = subjects.iter().zip(&mut costs).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (subject, list) in order {
            prepare()?;
            let cost = once(subject).with_context(|| subject.name.clone())?;
            if round > 0 {
                list.push(cost);
            }
        }
    }
    Ok(costs)
}

/// Runs a command in a process of its own that measures its only child.
pub fn once(subject: &Subject) -> Result<Cost> {
    let mut command = Command::new(std::env::current_exe()?);
    let line = shell::output(command.arg("measure").args(&subject.words))?;
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

/// How many times as long two threads take as one, each of which does the same work, by the median: 1 where there are
/// two whole processors for them. A virtual machine may have less, and then a program of two threads takes longer here,
/// but one of a single thread does not.
pub fn two_threads_against_one() -> f64 {
    /// Some tens of milliseconds, as much as a full run of depmod.
    const STEPS: u64 = 2_000_000;
    let work = || (0..STEPS).fold(1_u64, |value, step| std::hint::black_box(value.rotate_left(5) ^ step));
    let time = |threads: usize| {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        began.elapsed().as_secs_f64()
    };
    median((0..15).map(|_| time(2) / time(1)).collect())
}

/// The medians of all subjects, and the ratios of the first one to each other one.
pub fn table(subjects: &[Subject], costs: &[Vec<Cost>]) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(out, "{:22}{:>10}{:>10}{:>10}", "median", "wall ms", "CPU ms", "peak MiB");
    for (Subject { name, .. }, list) in subjects.iter().zip(costs) {
        let of = |part: fn(&Cost) -> f64| median(list.iter().map(part).collect());
        let (wall, cpu, memory) = (of(|cost| cost.wall), of(|cost| cost.cpu), of(|cost| cost.memory));
        let _ = writeln!(out, "{name:22}{:10.1}{:10.1}{:10.1}", wall / 1e3, cpu / 1e3, memory / 1024.0);
    }
    let (Some((ours, others)), Some(first)) = (costs.split_first(), subjects.first()) else { return out };
    for (Subject { name, .. }, theirs) in subjects.iter().skip(1).zip(others) {
        let ratio = |part: fn(&Cost) -> f64| {
            let pairs = ours.iter().zip(theirs);
            median(pairs.map(|(our, their)| part(our) / part(their)).collect())
        };
        let (wall, cpu, memory) =
            (ratio(|cost| cost.wall), ratio(|cost| cost.cpu), ratio(|cost| cost.memory));
        let _ = writeln!(out, "{:22}{wall:10.3}{cpu:10.3}{memory:10.3}", format!("{} / {name}", first.name));
    }
    out
}
