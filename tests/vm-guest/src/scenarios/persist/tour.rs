//! From a load to the next: what is saved, what comes back, and what does not.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{
    ACCOUNTING, ALPHA, BETA, BUCKETS, GAMMA, LINES, MOST, QUIRKS, SAVED, TIMEOUT, by_name, by_request,
    configure, quietly, saved,
};
use crate::program::{modprobe, rmmod, run};
use crate::world::{MODPROBE, World, long_ago};

const ALL: [&str; 3] = ["tcp_vegas", "nf_conntrack_netlink", "nf_conntrack"];

pub(super) fn after_modprobe(world: &mut World) -> Result<()> {
    tour(world, || quietly(modprobe(&["-r", "-a", "tcp_vegas", "nf_conntrack_netlink"])?))
}

pub(super) fn after_rmmod(world: &mut World) -> Result<()> {
    tour(world, || quietly(rmmod(&ALL)?))
}

pub(super) fn after_autoclean(world: &mut World) -> Result<()> {
    // One pass to mark, one for the two that were asked for, one for what they needed.
    tour(world, || {
        (0..3).try_for_each(|_| {
            long_ago()?;
            quietly(rmmod(&["-a"])?)
        })
    })
}

/// Loaded by a request, changed, unloaded; then loaded by a request and by name, with the values there both times.
fn tour(world: &World, unload: impl Fn() -> Result<()>) -> Result<()> {
    // So that a pass may unload what carries netfilter's messages, too.
    configure(&format!("{LINES}interval 0\nautoclean *\n"))?;
    by_request()?;
    world.expect_loaded(&ALL)?;
    let (beta, most, timeout) = (BETA.read()?, MOST.read()?, TIMEOUT.read()?);
    ALPHA.set("5")?;
    ACCOUNTING.set("1")?;
    MOST.set("54321")?;
    let changed = || -> Result<()> {
        ALPHA.expect("5")?;
        BETA.expect(&beta)?;
        ACCOUNTING.expect("Y")?;
        MOST.expect("54321")?;
        TIMEOUT.expect(&timeout)
    };
    ensure!(most != "54321");
    unload()?;
    world.expect_absent(&ALL)?;
    ensure!(saved("tcp_vegas")? == ["parameters/alpha = 5"], "{:?}", saved("tcp_vegas")?);
    let expected = ["parameters/acct = Y", "sysctl/net/netfilter/nf_conntrack_max = 54321"];
    ensure!(saved("nf_conntrack")? == expected, "{:?}", saved("nf_conntrack")?);
    by_request()?;
    changed().context("after a request")?;
    unload()?;
    world.expect_absent(&ALL)?;
    by_name()?;
    changed().context("loaded by name")?;
    quietly(rmmod(&ALL)?)?;
    ensure!(saved("nf_conntrack")? == expected, "not changed, and yet {:?}", saved("nf_conntrack")?);
    Ok(())
}

pub(super) fn new_default(world: &mut World) -> Result<()> {
    configure(LINES)?;
    by_name()?;
    ALPHA.set("5")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    world.configure("new", "options tcp_vegas beta=9\n")?;
    by_name()?;
    ALPHA.expect("5")?;
    BETA.expect("9")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    ensure!(saved("tcp_vegas")? == ["parameters/alpha = 5"], "{:?}", saved("tcp_vegas")?);
    world.configure("new", "options tcp_vegas beta=10\n")?;
    by_name()?;
    BETA.expect("10")
}

pub(super) fn given(world: &mut World) -> Result<()> {
    configure(LINES)?;
    fs::create_dir_all(SAVED)?;
    let file = Path::new(SAVED).join("tcp_vegas");
    let settings = "parameters/alpha = 5\nparameters/beta = 6\nparameters/gamma = 7\n";
    fs::write(&file, settings)?;
    world.configure("vegas", "options tcp_vegas beta=9\n")?;
    quietly(modprobe(&["tcp_vegas", "alpha=8"])?)?;
    ALPHA.expect("8").context("from modprobe's command line")?;
    BETA.expect("9").context("from modprobe.d")?;
    GAMMA.expect("3").context("from the kernel's command line")?;
    quietly(modprobe(&["-r", "tcp_vegas"])?)?;
    ensure!(fs::read_to_string(&file)? == settings, "given for one load, and the saved values are gone");
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.expect("5")?;
    // One variable under two names: a saved value of the one must not undo what was given as the other.
    fs::write(
        Path::new(SAVED).join("nf_conntrack"),
        "sysctl/net/netfilter/nf_conntrack_buckets = 2048\nsysctl/net/netfilter/nf_conntrack_max = 4321\n",
    )?;
    quietly(modprobe(&["nf_conntrack", "hashsize=4096"])?)?;
    BUCKETS.expect("4096")?;
    MOST.expect("4321")?;
    quietly(modprobe(&["-r", "nf_conntrack"])?)?;
    quietly(modprobe(&["nf_conntrack"])?)?;
    BUCKETS.expect("2048")
}

pub(super) fn set_back(_: &mut World) -> Result<()> {
    configure(LINES)?;
    by_name()?;
    let first = ALPHA.read()?;
    ALPHA.set("5")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    by_name()?;
    ALPHA.expect("5")?;
    ALPHA.set(&first)?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    ensure!(saved("tcp_vegas")?.is_empty(), "{:?}", saved("tcp_vegas")?);
    Ok(())
}

pub(super) fn text(_: &mut World) -> Result<()> {
    configure("persist usb-storage\n")?;
    quietly(modprobe(&["usb-storage"])?)?;
    // As echo does it: the kernel keeps the newline as a part of the text.
    QUIRKS.set("0781:5581:u\n")?;
    quietly(modprobe(&["-r", "usb-storage"])?)?;
    let saved = saved("usb_storage")?;
    ensure!(saved == ["parameters/quirks = 0781:5581:u"], "{saved:?}");
    for _ in 0..2 {
        quietly(modprobe(&["usb-storage"])?)?;
        let shown = fs::read_to_string(QUIRKS.path())?;
        ensure!(shown == "0781:5581:u\n", "{shown:?}");
        quietly(modprobe(&["-r", "usb-storage"])?)?;
    }
    Ok(())
}

pub(super) fn no_persist(_: &mut World) -> Result<()> {
    configure(LINES)?;
    by_name()?;
    let first = ALPHA.read()?;
    ALPHA.set("5")?;
    quietly(modprobe(&["-r", "--no-persist", "tcp_vegas"])?)?;
    ensure!(saved("tcp_vegas").is_err(), "modprobe saved something");
    by_name()?;
    ALPHA.expect(&first)?;
    ALPHA.set("5")?;
    quietly(rmmod(&["--no-persist", "tcp_vegas"])?)?;
    ensure!(saved("tcp_vegas").is_err(), "rmmod saved something");
    by_name()?;
    ALPHA.set("5")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    quietly(modprobe(&["--no-persist", "tcp_vegas"])?)?;
    ALPHA.expect(&first).context("loaded with --no-persist")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    by_name()?;
    ALPHA.expect("5").context("the next time")
}

pub(super) fn on_request(_: &mut World) -> Result<()> {
    configure(LINES)?;
    by_name()?;
    let first = ALPHA.read()?;
    ALPHA.set("5")?;
    let row = |saved: &str| -> Result<()> {
        let shown = modprobe(&["--show-settings", "tcp-vegas"])?;
        let rows: Vec<Vec<&str>> =
            shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected = vec!["tcp_vegas", "parameters/alpha", "5", first.as_str(), saved];
        ensure!(rows.contains(&expected), "{rows:?}");
        ensure!(rows.len() > 3, "{rows:?}");
        Ok(())
    };
    row("-")?;
    ensure!(!Path::new(SAVED).exists(), "showing saved something");
    quietly(modprobe(&["--save-settings"])?)?;
    row("5")?;
    ensure!(saved("tcp_vegas")? == ["parameters/alpha = 5"]);
    ensure!(saved("nf_conntrack").is_err(), "nothing of it was changed");
    // As at the end of a boot: the module does not go in an orderly way.
    crate::world::remove_module("tcp_vegas")?;
    let shown = modprobe(&["--show-settings"])?;
    ensure!(shown.stdout.contains("nf_conntrack_max") && shown.stdout.contains("alpha"), "{shown:?}");
    for (arguments, reason) in [
        (["--save-settings", "tcp_vegas"], "not in kernel"),
        (["--save-settings", "nfnetlink"], "no persist line in modutils.d names nfnetlink"),
        (["--show-settings", "nfnetlink"], "no persist line in modutils.d names nfnetlink"),
    ] {
        let ended = run(MODPROBE, &arguments)?;
        ended.expect_code(1)?;
        ensure!(ended.stderr.contains(reason), "{ended:?}");
    }
    by_name()?;
    ALPHA.expect("5")
}

pub(super) fn without_a_line(_: &mut World) -> Result<()> {
    configure("persist other\nkeep tcp_vegas\n")?;
    let text = "parameters/alpha = 5\n";
    let file = super::save_as(text.as_bytes())?;
    by_name()?;
    ensure!(ALPHA.read()? != "5", "a value was put back");
    ALPHA.set("7")?;
    quietly(modprobe(&["-r", "tcp_vegas"])?)?;
    by_name()?;
    ALPHA.set("7")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    ensure!(fs::read_to_string(file)? == text, "the file was changed");
    ensure!(!Path::new("/run/modutils/baseline").exists(), "a baseline was taken");
    Ok(())
}
