//! `cargo xtask fuzz`: random bytes, guided by coverage, for everything that reads files. What is found is kept in
//! `fuzz/corpus/TARGET`, and the next run begins with it, so that many short runs reach as far as a long one. An input
//! that fails is kept beside it, in `fuzz/failures/TARGET`.
//!
//! Some targets get plain bytes; `database` and those named `made_*` make files that are right but for
//! what they say, which reaches behind the checks of headers.
//!
//! The flags are those of `cargo fuzz` without its sanitizer, so that the stable compiler will do: there is no
//! unsafe code here to be watched.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::{project, shell};

/// Makes the compiler count which branches are taken, and report what is compared with what.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The target that is built for; named, so that build scripts and macros are not counted.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Options: `[TARGET] [--minutes N]`, N for each target; a minute if not given.
pub fn run(options: &[&str]) -> Result<()> {
    let (only, minutes) = settings(options)?;
    let directory = project::root().join("fuzz");
    let targets = targets(&directory)?;
    ensure!(
        only.is_none_or(|only| targets.iter().any(|target| target == only)),
        "no such target; there are: {}",
        targets.join(", ")
    );
    let target_directory = project::target_directory()?.join("fuzz");
    let mut build = project::cargo();
    build
        .current_dir(&directory)
        .env("RUSTFLAGS", COVERAGE)
        .arg("build")
        .arg("--target-dir")
        .arg(&target_directory);
    shell::run(build.args(["--release", "--locked", "--target", HOST]))?;
    let built = target_directory.join(HOST).join("release");
    for target in targets.iter().filter(|target| only.is_none_or(|only| only == target.as_str())) {
        let corpus = directory.join("corpus").join(target);
        let failures = directory.join("failures").join(target);
        for place in [&corpus, &failures] {
            fs::create_dir_all(place)?;
        }
        println!("{target}: {minutes} min, from {} inputs", fs::read_dir(&corpus)?.count());
        let mut command = std::process::Command::new(built.join(target));
        command.current_dir(&directory).arg(&corpus).arg(format!("-max_total_time={}", minutes * 60));
        command.args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"]);
        command.arg(format!("-artifact_prefix={}/", failures.display()));
        shell::run(&mut command)
            .with_context(|| format!("{target}: the input stands in {}", failures.display()))?;
    }
    Ok(())
}

fn settings<'o>(options: &[&'o str]) -> Result<(Option<&'o str>, u32)> {
    let (mut only, mut minutes) = (None, 1);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => minutes = words.next().context("--minutes needs a value")?.parse()?,
            option if option.starts_with('-') => bail!("unknown option {option}"),
            target => only = Some(target),
        }
    }
    ensure!(minutes > 0, "--minutes 0 would never end");
    Ok((only, minutes))
}

/// The names of all targets, sorted.
fn targets(directory: &std::path::Path) -> Result<Vec<String>> {
    let files = fs::read_dir(directory.join("src/bin"))?;
    let paths: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
