//! Every tool of a build starts with descriptors 0 to 2 closed, with and without `/dev/null`, does its work, and
//! never lets a file that it opens become a standard stream.

use std::fs;

use anyhow::{Result, ensure};
use suite::TOOLS;

use crate::trace::{self, Call, Run};
use crate::world::{Build, Root, modules, release};

/// What each tool is to do, in the order of [`TOOLS`].
const WORK: [fn(&Root) -> Result<()>; TOOLS.len()] = [modprobe, rmmod, depmod, insmod, lsmod, modinfo, kmod];

/// Every check: its name, and how it ended.
pub fn checks(name: &str, build: Build<'_>) -> Vec<(String, Result<()>)> {
    let mut checks = Vec::new();
    for (tool, check) in TOOLS.into_iter().zip(WORK) {
        for (world, null) in [("an-empty-dev", false), ("dev-null", true)] {
            let outcome = root(build, null).and_then(|root| check(&root));
            checks.push((format!("startup/{name}-{tool}-with-{world}"), outcome));
        }
    }
    checks
}

fn root(build: Build<'_>, null: bool) -> Result<Root> {
    let root = Root::new(build, &modules()?.directory("/dev"))?;
    if null {
        root.write("/dev/null", "")?;
    }
    Ok(root)
}

/// Nothing but what fills them is opened at 0, 1 and 2, once the dynamic loader has done and closed its part.
fn check_descriptors(run: &Run) -> Result<()> {
    let begins = |call: &&Call| ["poll", "ppoll"].contains(&&*call.name) && call.arguments.contains("fd=0,");
    let own = run.calls.iter().skip_while(|call| !begins(call));
    let standard =
        |call: &&Call| call.opens() && call.result.is_some_and(|descriptor| (0..3).contains(&descriptor));
    let paths: Vec<_> = own.filter(standard).map(|call| call.path().unwrap_or_default()).collect();
    ensure!(paths == ["/dev/null"; 3] || paths == ["/"; 3], "descriptors 0 to 2 were opened as {paths:?}");
    Ok(())
}

/// It ended by itself with this status. A thread of depmod's may be seen to end after that.
fn expect(run: &Run, status: i32) -> Result<()> {
    check_descriptors(run)?;
    let ended = run.calls.iter().any(|call| call.name == "exit_group");
    ensure!(run.status == status && ended, "ended with {}", run.status);
    Ok(())
}

fn depmod(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "depmod", &["-a"])?, 0)?;
    let made = fs::read_to_string(root.at("/lib/modules").join(release()?).join("modules.dep"))?;
    ensure!(made.contains("kernel/top.ko: kernel/low.ko"), "modules.dep: {made}");
    Ok(())
}

fn modprobe(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "depmod", &["-a"])?, 0)?;
    expect(&trace::run(root.path(), "modprobe", &["-q", "--", "part"])?, 0)?;
    expect(&trace::run(root.path(), "modprobe", &["-q", "--", "nonesuch"])?, 1)?;
    expect(&trace::run(root.path(), "modprobe", &["nonesuch"])?, 1)
}

fn rmmod(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "rmmod", &["nonesuch"])?, 1)?;
    // Nothing was ever recorded.
    expect(&trace::run(root.path(), "rmmod", &["-a"])?, 0)
}

fn insmod(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "insmod", &["/nonesuch.ko"])?, 1)
}

/// There is no list of modules in this root.
fn lsmod(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "lsmod", &[])?, 1)
}

fn modinfo(root: &Root) -> Result<()> {
    let top = format!("/lib/modules/{}/kernel/top.ko", release()?);
    expect(&trace::run(root.path(), "modinfo", &[&top])?, 0)?;
    expect(&trace::run(root.path(), "modinfo", &["nonesuch"])?, 1)
}

fn kmod(root: &Root) -> Result<()> {
    expect(&trace::run(root.path(), "kmod", &["help"])?, 0)?;
    expect(&trace::run(root.path(), "kmod", &["static-nodes"])?, 0)
}
