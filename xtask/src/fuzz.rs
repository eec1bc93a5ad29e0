//! `cargo xtask fuzz`: random bytes, guided by coverage, for everything that reads files. What is found is kept in
//! `fuzz/corpus/TARGET`, and the next run begins with it, so that many short runs reach as far as a long one. An input
//! that fails is kept beside it, in `fuzz/failures/TARGET`.
//!
//! Some targets get plain bytes; `database` and those named `made_*` make files that are right but for
//! what they say, which reaches behind the checks of headers.
//!
//! The flags are those of `cargo fuzz` without its sanitizer, so that the stable compiler will do: there is no
//! unsafe code to be watched. The C library has some: its target, `c_library`, is built by a nightly compiler with
//! AddressSanitizer, and runs where the kernel's modules are made ones and nobody may load any.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    let chosen = |target: &&String| only.is_none_or(|only| only == target.as_str());
    if only != Some(C_LIBRARY) {
        let built = build(&directory, Compiler::Stable)?;
        for target in targets.iter().filter(chosen).filter(|target| *target != C_LIBRARY) {
            fuzz(&directory, target, minutes, Command::new(built.join(target)))?;
        }
    }
    if only.is_none_or(|only| only == C_LIBRARY) {
        if has_nightly() {
            let built = build(&directory, Compiler::NightlyWithAddressSanitizer)?;
            fuzz(&directory, C_LIBRARY, minutes, in_sandbox(&built.join(C_LIBRARY)))?;
        } else {
            let missing = format!(
                "{C_LIBRARY} needs AddressSanitizer, which only a nightly compiler has: rustup toolchain install nightly"
            );
            ensure!(only.is_none(), missing);
            println!("{missing}");
        }
    }
    Ok(())
}

/// The target that calls the C library.
const C_LIBRARY: &str = "c_library";

/// What targets are built by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compiler {
    Stable,
    NightlyWithAddressSanitizer,
}

fn has_nightly() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["+nightly", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    rustc.status().is_ok_and(|status| status.success())
}

/// Builds the targets; the directory that they are in.
fn build(directory: &Path, compiler: Compiler) -> Result<PathBuf> {
    let (mut build, flags, place) = match compiler {
        Compiler::Stable => (project::cargo(), COVERAGE.to_owned(), "fuzz"),
        Compiler::NightlyWithAddressSanitizer => {
            (project::nightly_cargo(), format!("{COVERAGE} -Zsanitizer=address"), "fuzz-address")
        }
    };
    let target_directory = project::target_directory()?.join(place);
    build
        .current_dir(directory)
        .env("RUSTFLAGS", flags)
        .arg("build")
        .arg("--target-dir")
        .arg(&target_directory);
    build.args(["--release", "--locked", "--target", HOST]);
    match compiler {
        Compiler::Stable => build.arg("--bins"),
        Compiler::NightlyWithAddressSanitizer => build.args(["--bin", C_LIBRARY]),
    };
    shell::run(&mut build)?;
    Ok(target_directory.join(HOST).join("release"))
}

/// Runs a target from the inputs of earlier runs.
fn fuzz(directory: &Path, target: &str, minutes: u32, mut command: Command) -> Result<()> {
    let corpus = directory.join("corpus").join(target);
    let failures = directory.join("failures").join(target);
    for place in [&corpus, &failures] {
        fs::create_dir_all(place)?;
    }
    if target == C_LIBRARY && fs::read_dir(&corpus)?.next().is_none() {
        begin(&corpus)?;
    }
    println!("{target}: {minutes} min, from {} inputs", fs::read_dir(&corpus)?.count());
    command.current_dir(directory).arg(&corpus).arg(format!("-max_total_time={}", minutes * 60));
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", failures.display()));
    shell::run(&mut command).with_context(|| format!("{target}: the input stands in {}", failures.display()))
}

/// Inputs for a target that makes a world and many calls of each, which would take long to find from nothing.
fn begin(corpus: &Path) -> Result<()> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    for number in 1..=64_usize {
        let words = (0..number * 8).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        });
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        fs::write(corpus.join(format!("begin-{number}")), bytes)?;
    }
    Ok(())
}

/// A program where no modules can be loaded, and those of the kernel are what files in an empty directory say: in
/// namespaces of its own, in which root has no say about the real kernel.
fn in_sandbox(program: &Path) -> Command {
    const SCRIPT: &str = r#"
        mount -t tmpfs none /sys/module
        : >/sys/module/.made-for-fuzzing
        # Not /tmp, where the program itself may be.
        mount -t tmpfs none /dev/shm
        exec "$@"
    "#;
    let mut command = Command::new("unshare");
    command.env("TMPDIR", "/dev/shm");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]).arg(program);
    command
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
fn targets(directory: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(directory.join("src/bin"))?;
    let paths: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
