//! Ours against kmod: runs the same cases on our tools and on two releases of kmod and compares all that can
//! be seen. `cargo xtask compliance` builds our tools and starts this.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

mod case;
mod cases;
mod compare;
mod damaged;
mod database;
mod fields;
mod index;
mod later;
mod lookups;
mod module;
mod neutral;
mod observe;
mod parallel;
mod prefixes;
mod random;
mod render;
mod snapshot;
mod subjects;
mod tally;
mod whole;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use reference::Cache;

use cases::Records;
use subjects::Subjects;
use tally::Tally;

const USAGE: &str = "\
usage: compliance [--tool TOOL] --ours PROGRAM [--only TEXT] [--record] [--seed NUMBER]
  --tool TOOL     depmod (if not given) or another of the suite
  --ours PROGRAM  our TOOL; kmod-30 and kmod-34 stand for the references themselves
  --only TEXT     only the parts and cases whose names contain TEXT
  --record        write intended differences down anew, to be read before they are committed
  --seed NUMBER   other random trees than those of every day
  --each          ask for each name of the real database in a process of its own (about four minutes)
";

struct Options {
    tool: String,
    ours: String,
    only: String,
    records: Records,
    seed: u64,
    each: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| compare_all(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compliance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options {
        tool: "depmod".to_owned(),
        ours: String::new(),
        only: String::new(),
        records: Records::Check,
        seed: 1,
        each: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--tool" => options.tool = value()?,
            "--ours" => options.ours = value()?,
            "--only" => options.only = value()?,
            "--seed" => options.seed = value()?.parse().context("--seed takes a number")?,
            "--record" => options.records = Records::Write,
            "--each" => options.each = true,
            other => bail!("unknown option {other}\n{USAGE}"),
        }
    }
    if options.ours.is_empty() {
        bail!("which program is ours?\n{USAGE}");
    }
    Ok(options)
}

fn compare_all(options: &Options) -> Result<bool> {
    let cache = Cache::of_user()?;
    let subjects = Subjects::find(&cache, &options.tool, &options.ours)?;
    for (release, program) in &subjects.references {
        println!("{release} is: {}", program.version()?);
    }
    println!("ours is: {}", options.ours);

    let only = &options.only;
    let mut total = Tally::default();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(&options.tool);
    for (release, tally) in cases::run(&subjects, &directory, only, options.records)? {
        println!("cases against {release}: {tally}");
        total.join(&tally);
    }
    if "prefixes".contains(only.as_str()) {
        let tally = prefixes::compare(&subjects)?;
        println!("prefixes: {tally}");
        total.join(&tally);
    }
    if options.tool == "depmod" {
        if "random".contains(only.as_str()) {
            let tally = random::run(&subjects, options.seed)?;
            println!("random trees: {tally}");
            total.join(&tally);
        }
        if "damaged".contains(only.as_str()) {
            let tally = damaged::run(&subjects, options.seed)?;
            println!("damaged modules: {tally}");
            total.join(&tally);
        }
        let tally = whole::run(&subjects, &cache, only)?;
        println!("whole trees: {tally}");
        total.join(&tally);
    }
    if options.tool == "modprobe" && "real-database".contains(only.as_str()) {
        let tally = lookups::run(&subjects, &cache, options.each)?;
        println!("real database: {tally}");
        total.join(&tally);
    }
    if options.tool == "modinfo" && "every-module".contains(only.as_str()) {
        let tally = fields::run(&subjects, &cache)?;
        println!("every module: {tally}");
        total.join(&tally);
    }
    println!("{}: {total}", options.tool);
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    Ok(total.passed(in_ci))
}
