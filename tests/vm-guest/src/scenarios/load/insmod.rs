//! insmod, and lsmod beside it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::ask;
use crate::program::{Ended, modprobe, run};
use crate::scenarios::patched::{replaced, unsigned};
use crate::world::{OWN, SYS, WORK, World};

fn insmod(arguments: &[&str]) -> Result<Ended> {
    run("/sbin/insmod", arguments)
}

/// A file of the scenario's own.
fn put(name: &str, content: &[u8]) -> Result<String> {
    let path = format!("{WORK}/{name}");
    fs::write(&path, content).with_context(|| path.clone())?;
    Ok(path)
}

pub(super) fn parameters(world: &mut World) -> Result<()> {
    let dummy = put("dummy.ko", &world.module("dummy")?)?;
    // The configuration is not insmod's business.
    world.configure("dummy", "options dummy numdummies=7\n")?;
    insmod(&[&dummy, "numdummies=2"])?.expect_code(0)?;
    world.expect_loaded(&["dummy"])?;
    ask::interface("dummy1").context("the second interface")?;
    ensure!(ask::interface("dummy2").is_err(), "there are three interfaces");
    modprobe(&["-r", "dummy"])?;
    // Several words, one with blanks in quotes of its own.
    let vegas = put("tcp_vegas.ko", &world.module("tcp_vegas")?)?;
    insmod(&[&vegas, "alpha=3", "beta=9"])?.expect_code(0)?;
    let parameter = |name| fs::read_to_string(format!("{SYS}/module/tcp_vegas/parameters/{name}"));
    ensure!(parameter("alpha")?.trim() == "3" && parameter("beta")?.trim() == "9");
    modprobe(&["-r", "tcp_vegas"]).map(drop)
}

pub(super) fn refusals(world: &mut World) -> Result<()> {
    let expect = |arguments: &[&str], reason: &str| -> Result<()> {
        let ended = insmod(arguments)?;
        ended.expect_code(1)?;
        let told = ended.stderr.starts_with("insmod: ERROR: ") && ended.stderr.contains(reason);
        ensure!(told, "{reason}: {ended:?}");
        Ok(())
    };
    let minix = world.module("minix")?;
    let there = put("minix.ko", &minix)?;
    let vfat = put("vfat.ko", &world.module("vfat")?)?;
    expect(&[&vfat], "Unknown symbol in module")?;
    expect(&[&format!("{WORK}/nonesuch.ko")], "No such file or directory")?;
    let text = put("text.ko", b"no module\n")?;
    expect(&[&text], "Invalid module format")?;
    insmod(&[&there])?.expect_code(0)?;
    expect(&[&there], "File exists")?;
    world.expect_loaded(&["minix"])?;
    modprobe(&["-r", "minix"]).map(drop)
}

pub(super) fn force(world: &mut World) -> Result<()> {
    let foreign = replaced(&unsigned(&world.module("minix")?), b" SMP preempt", b" UMP preempt")?;
    let path = put("minix.ko", &foreign)?;
    let ended = insmod(&[&path])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("Invalid module format"), "{ended:?}");
    for option in ["-f", "--force", "--force-vermagic"] {
        insmod(&[option, &path])?.expect_code(0).with_context(|| option.to_owned())?;
        world.expect_loaded(&["minix"])?;
        modprobe(&["-r", "minix"])?;
    }
    insmod(&["--force-modversion", &path])?.expect_code(1)
}

pub(super) fn compressed(world: &mut World) -> Result<()> {
    for (module, suffix) in super::COMPRESSED {
        insmod(&[&format!("{OWN}/compressed/{module}.ko.{suffix}")])?.expect_code(0)?;
        world.expect_loaded(&[module])?;
        modprobe(&["-r", module])?;
    }
    Ok(())
}

/// The list is whole at every moment: its head, and lines of a name and two numbers.
pub(super) fn listed(_: &mut World) -> Result<()> {
    static OVER: AtomicBool = AtomicBool::new(false);
    let changes = spawn(|| -> Result<()> {
        for _ in 0..15 {
            modprobe(&["-a", "vfat", "minix"])?;
            modprobe(&["-r", "vfat", "minix"])?;
        }
        Ok(())
    });
    let mut seen = [false; 2];
    while !OVER.load(Ordering::Relaxed) {
        OVER.store(changes.is_finished(), Ordering::Relaxed);
        let ended = run("/sbin/lsmod", &[])?;
        ended.expect_code(0)?;
        let (head, lines) = ended.stdout.split_once('\n').context("no line")?;
        ensure!(head == "Module                  Size  Used by" && ended.stderr.is_empty(), "{ended:?}");
        for line in lines.lines() {
            let mut words = line.split_whitespace();
            let named = words.next().is_some();
            let numbers = [words.next(), words.next()];
            let whole =
                named && numbers.iter().all(|word| word.is_some_and(|word| word.parse::<i64>().is_ok()));
            ensure!(whole, "{line:?}");
        }
        let there = lines.lines().any(|line| line.starts_with("vfat "));
        *seen.get_mut(usize::from(there)).context("two cases")? = true;
    }
    changes.join().map_err(|_| anyhow!("whoever loads panicked"))??;
    ensure!(seen == [true, true], "the module was never seen to come or go: {seen:?}");
    Ok(())
}
