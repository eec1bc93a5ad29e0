//! `cargo xtask test`: every tier of tests, in the order in which a failure is cheapest to find.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{bench, calls, compliance, libkmod, project, setup, shell, tidy, tour, vm};

/// What runs a tier.
type Run = Box<dyn Fn() -> Result<()>>;

/// All tiers; stops at the first that fails. How long each took is shown at the end.
pub fn run() -> Result<()> {
    let mut times = Vec::new();
    for (name, tier) in tiers() {
        println!("== {name}");
        let start = Instant::now();
        let result = tier();
        times.push((name.clone(), start.elapsed()));
        if result.is_err() {
            print!("{}", table(&times));
        }
        result.context(name)?;
    }
    print!("{}", table(&times));
    println!("all tiers passed");
    Ok(())
}

fn tiers() -> Vec<(String, Run)> {
    type Step = fn() -> Result<()>;
    let common: [(&str, Step); 11] = [
        ("setup: what the tests need", setup::run),
        ("tidy: rules of the source tree", tidy::run),
        ("unit and integration tests of every package", packages),
        ("libkmod: modprobe and rmmod with their other back end", with_libkmod),
        ("libkmod: C programs on our library and on kmod's", || libkmod::test(&[])),
        ("memory: the allocator of the static programs", of_static_programs),
        ("calls: system calls of the builds", calls::run),
        ("documentation: every page of the API, without warnings", documentation),
        ("documentation: the examples of README.md and the manual pages", tour::run),
        ("vm: the tools on a real kernel", || vm::run(&[])),
        ("budget: what a run of modprobe costs", bench::budget),
    ];
    let common = common.map(|(name, tier)| (name.to_owned(), Box::new(tier) as Run));
    let of_tools = suite::TOOLS.map(|tool| {
        let name = format!("compliance: {tool} against kmod 30 and 34");
        (name, Box::new(move || compliance::run(&[tool])) as Run)
    });
    common.into_iter().chain(of_tools).collect()
}

fn packages() -> Result<()> {
    shell::run(project::cargo().args(["test", "--workspace"]))
}

fn documentation() -> Result<()> {
    let mut command = project::cargo();
    shell::run(command.args(["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The tools' own tests, with libkmod in the place of system calls.
fn with_libkmod() -> Result<()> {
    let mut tests = project::cargo();
    tests.args(["test", "--package", "modprobe", "--package", "rmmod"]);
    shell::run(tests.args(["--features", "modprobe/libkmod,rmmod/libkmod"]))
}

/// What gives the static programs their memory, and depmod where there is little of it.
fn of_static_programs() -> Result<()> {
    if !project::builds_static_programs() {
        return shell::skipped("the allocator of the static programs", "building them needs musl");
    }
    let mut tests = project::cargo();
    tests.args(["test", "--target", project::MUSL_TARGET, "--package", "modcli", "--package", "depmod"]);
    shell::run(tests.args(["--lib", "--test", "limits"]))
}

fn table(times: &[(String, Duration)]) -> String {
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let lines = times.iter().map(|(name, time)| (name.as_str(), time)).chain([("total", &total)]);
    lines.map(|(name, time)| format!("{:7.1} s  {name}\n", time.as_secs_f64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ends_with_the_sum() {
        let times =
            [("a".to_owned(), Duration::from_millis(1500)), ("b".to_owned(), Duration::from_secs(60))];
        assert_eq!(table(&times), "    1.5 s  a\n   60.0 s  b\n   61.5 s  total\n");
    }
}
