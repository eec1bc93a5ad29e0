//! Commands of modutils.d around what is loaded and unloaded: by people, by the kernel, and within themselves.

use std::fs;
use std::path::Path;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::net::SocketType;

use super::storm::{MANY, at_once};
use super::{PATIENCE, expect_requests};
use crate::ask::{self, family};
use crate::catalog::{Group, Scenario};
use crate::kernel_log::Tail;
use crate::program::{modprobe, rmmod, run};
use crate::stand_in;
use crate::trace::{self, Seen};
use crate::world::{MODPROBE, PROC, WORK, World};

/// See the module.
pub const GROUP: Group = Group {
    processors: 2,
    ..Group::new(
        "hooks",
        &[
            Scenario::new("commands-stand-around-each-module-of-a-chain", &["vfat"], chain).ours_only(),
            Scenario::new("insmod-and-rmmod-run-commands-as-well", &["minix"], one_file).ours_only(),
            Scenario::new("rmmod-a-runs-commands-around-an-idle-module", &["dummy", "can"], autoclean)
                .ours_only(),
            Scenario::new("a-failure-before-stops-and-one-after-is-told", &["vfat"], failures).ours_only(),
            Scenario::new("a-command-that-hangs-is-killed-with-its-group", &["minix"], hanging).ours_only(),
            Scenario::new("a-request-of-the-kernel-runs-commands", &["minix"], request).ours_only(),
            Scenario::new("a-request-whose-command-hangs-ends", &["minix"], hanging_request).ours_only(),
            Scenario::new(
                "a-command-that-asks-for-its-own-family-is-run-once",
                &["can", "can-raw"],
                recursion,
            )
            .ours_only(),
            Scenario::new(
                "a-command-that-calls-modprobe-for-its-own-module-is-run-once",
                &["minix"],
                direct_recursion,
            )
            .ours_only(),
            Scenario::new("a-file-that-others-can-write-commands-nothing", &["minix"], untrusted).ours_only(),
        ],
    )
};

/// Many requests at once, with commands for them.
pub const STORM: Group = Group {
    processors: 2,
    ..Group::new(
        "hooks-storm",
        &[
            Scenario::new("sixty-requests-with-commands-and-denials-at-once", &["vfat"], storm)
                .ours_only()
                .within(240),
            Scenario::new("sixty-requests-whose-commands-hang-all-end", &["vfat"], hanging_storm)
                .ours_only()
                .within(240),
            Scenario::new(
                "requests-behind-a-command-that-waits-hold-up-no-others",
                &["vfat", "minix", "efs"],
                waiting_storm,
            )
            .ours_only()
            .within(240),
        ],
    )
};

/// Where commands write what they see; it is emptied after each scenario, and no name of a configuration file.
const LOG: &str = "/etc/modutils.d/commands";

/// Writes a file of modutils.d.
pub(super) fn configure(text: &str) -> Result<()> {
    fs::create_dir_all("/etc/modutils.d")?;
    Ok(fs::write("/etc/modutils.d/vm.conf", text)?)
}

/// What commands have written, and forgets it.
fn said() -> Vec<String> {
    let text = fs::read_to_string(LOG).unwrap_or_default();
    let _ = fs::remove_file(LOG);
    text.lines().map(str::to_owned).collect()
}

/// A command that writes down when it runs and for what, and with this behind it.
fn noting(more: &str) -> String {
    format!("echo $MODUTILS_ACTION $MODPROBE_MODULE $MODUTILS_REQUEST >>{LOG}{more}")
}

/// Each of the four around every module.
fn all(more: &str) -> String {
    ["pre-install", "post-install", "pre-remove", "post-remove"]
        .map(|word| format!("{word} * {}\n", noting(more)))
        .concat()
}

fn chain(world: &mut World) -> Result<()> {
    configure(&all(""))?;
    modprobe(&["vfat"])?;
    let expected = ["pre-install fat", "post-install fat", "pre-install vfat", "post-install vfat"];
    let found = said();
    ensure!(found == expected, "{found:?}");
    modprobe(&["vfat"])?;
    ensure!(said().is_empty(), "nothing was loaded");
    modprobe(&["-r", "vfat"])?;
    let expected = ["pre-remove vfat", "post-remove vfat", "pre-remove fat", "post-remove fat"];
    let found = said();
    ensure!(found == expected, "{found:?}");
    modprobe(&["-i", "vfat"])?;
    ensure!(said().is_empty(), "-i leaves them aside");
    world.expect_loaded(&["vfat", "fat"])
}

fn one_file(world: &mut World) -> Result<()> {
    configure(&all(""))?;
    let file = world.module_file("minix")?;
    run("/sbin/insmod", &[file.to_str().context("a path that is text")?])?.expect_code(0)?;
    rmmod(&["minix"])?.expect_code(0)?;
    let expected = ["pre-install minix", "post-install minix", "pre-remove minix", "post-remove minix"];
    let found = said();
    ensure!(found == expected, "{found:?}");
    world.expect_absent(&["minix"])
}

fn autoclean(world: &mut World) -> Result<()> {
    configure(&format!("interval 0\n{}", all("")))?;
    drop(ask::socket(family::CAN, SocketType::RAW, 1));
    world.expect_loaded(&["can"])?;
    said();
    for _ in 0..3 {
        crate::world::long_ago()?;
        rmmod(&["-a"])?.expect_code(0)?;
    }
    let found = said();
    let expected = ["pre-remove can_raw", "post-remove can_raw", "pre-remove can", "post-remove can"];
    ensure!(found == expected, "{found:?}");
    world.expect_absent(&["can"])
}

fn failures(world: &mut World) -> Result<()> {
    configure("pre-install fat exit 3\n")?;
    let ended = run(MODPROBE, &["vfat"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("/etc/modutils.d/vm.conf line 1"), "{ended:?}");
    world.expect_absent(&["vfat", "fat"])?;
    configure("post-install fat exit 4\npre-remove vfat exit 5\n")?;
    let ended = run(MODPROBE, &["vfat"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("it ended with status 4"), "{ended:?}");
    world.expect_loaded(&["vfat", "fat"])?;
    let ended = run(MODPROBE, &["-r", "vfat"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("it ended with status 5"), "{ended:?}");
    world.expect_loaded(&["vfat", "fat"])
}

/// The processes of shells that are still there.
fn shells() -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(PROC)?.flatten() {
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let is_dead = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        count += usize::from(name.trim_end() == "sh" && !is_dead);
    }
    Ok(count)
}

const HANGING: &str = "command-time 1\npre-install minix (while :; do :; done) & while :; do :; done\n";

fn hanging(world: &mut World) -> Result<()> {
    configure(HANGING)?;
    let ended = run(MODPROBE, &["minix"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("it was killed"), "{ended:?}");
    ensure!(shells()? == 0, "a shell is left");
    world.expect_absent(&["minix"])
}

fn hanging_request(world: &mut World) -> Result<()> {
    configure(HANGING)?;
    let mut log = Tail::new()?;
    let begin = Instant::now();
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.note(&format!("the request took {} ms", begin.elapsed().as_millis()))?;
    world.expect_absent(&["minix"])?;
    ensure!(shells()? == 0, "a shell is left");
    let records = log.records()?;
    ensure!(records.iter().any(|(_, text)| text.contains("it was killed")), "{records:?}");
    Ok(())
}

fn request(world: &mut World) -> Result<()> {
    // The shell's own descriptors, as it got them.
    configure(&format!("pre-install minix {}\n", noting(&format!("; ls -1 /proc/$$/fd >>{LOG}; true"))))?;
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])?;
    let found = said();
    ensure!(found.first().is_some_and(|line| line == "pre-install minix fs-minix"), "{found:?}");
    ensure!(["0", "1", "2"].iter().all(|number| found.iter().any(|line| line == number)), "{found:?}");
    Ok(())
}

fn recursion(world: &mut World) -> Result<()> {
    let asking = stand_in::path(stand_in::ASKING_FOR_CAN)?;
    configure(&format!("pre-install can {}; {asking}\n", noting("")))?;
    let (opened, seen) = trace::watch(|| ask::socket(family::CAN, SocketType::RAW, 1))?;
    opened.context("the socket")?;
    // The outer request, the one that the command makes, and what the socket needs after the family is there.
    ensure!(seen.requests == ["net-pf-29", "net-pf-29", "can-proto-1"], "{seen:?}");
    ensure!(seen.modprobes == 3 && seen.crashes.is_empty(), "{seen:?}");
    let found = said();
    ensure!(found == ["pre-install can net-pf-29"], "{found:?}");
    world.expect_loaded(&["can", "can_raw"])
}

fn direct_recursion(world: &mut World) -> Result<()> {
    configure(&format!("pre-install minix {}; {MODPROBE} minix\n", noting("")))?;
    let (ended, seen) = trace::watch(|| run(MODPROBE, &["minix"]))?;
    ended?.expect_code(0)?;
    ensure!(seen.modprobes == 2, "{seen:?}");
    let found = said();
    ensure!(found == ["pre-install minix"], "{found:?}");
    world.expect_loaded(&["minix"])
}

fn untrusted(world: &mut World) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    configure(&all(""))?;
    fs::set_permissions("/etc/modutils.d/vm.conf", fs::Permissions::from_mode(0o666))?;
    let ended = run(MODPROBE, &["minix"])?;
    ended.expect_code(0)?;
    ensure!(ended.stderr.contains("commands in /etc/modutils.d/vm.conf do not count"), "{ended:?}");
    ensure!(said().is_empty());
    world.expect_loaded(&["minix"])
}

/// Seconds that all commands of a run have together in a storm: on a machine that is busy with other things, sixty
/// processes have little of it each, and what is counted here is how often commands run.
const STORM_TIME: u64 = 60;

/// Makes requests at once, a third for a module with commands, a third that is denied, and a third that is answered by a
/// command; gives how long the longest took, and what was seen.
fn requests_of_a_storm(configuration: &str) -> Result<(Duration, Seen)> {
    configure(configuration)?;
    let (asked, seen) = trace::watch(|| {
        at_once(MANY, |number| {
            let begin = Instant::now();
            let _ = match number % 3 {
                0 => ask::file_system("vfat"),
                1 => ask::file_system(&format!("denied{number}")),
                _ => ask::file_system(&format!("help{}", number % 4)),
            };
            begin.elapsed()
        })
    })?;
    ensure!(seen.crashes.is_empty() && seen.modprobes == seen.requests.len(), "{seen:?}");
    Ok((asked?.into_iter().max().unwrap_or_default(), seen))
}

fn storm(world: &mut World) -> Result<()> {
    log_everything()?;
    let mut log = Tail::new()?;
    let (longest, seen) = requests_of_a_storm(&format!(
        "command-time {STORM_TIME}\npre-install * {0}\npost-install * {0}\ndeny-request fs-denied*\n\
         on-request fs-help* {0}\n",
        noting("")
    ))?;
    ensure!(longest.as_secs() < STORM_TIME, "a request took {} s", longest.as_secs());
    let found = said();
    let count = |line: &str| found.iter().filter(|found| *found == line).count();
    for module in ["fat", "vfat"] {
        for word in ["pre-install", "post-install"] {
            let line = format!("{word} {module} fs-vfat");
            ensure!(count(&line) == 1, "{line} {} times: {found:?}, {:?}", count(&line), log.records()?);
        }
    }
    let helped = found.iter().filter(|line| line.starts_with("on-request")).count();
    let asked_for_help = seen.requests.iter().filter(|name| name.starts_with("fs-help")).count();
    ensure!(helped > 0 && helped <= asked_for_help, "{helped} of {asked_for_help}");
    ensure!(!found.iter().any(|line| line.contains("denied")), "{found:?}");
    world.note(&format!(
        "{} requests, {} modprobes, {helped} commands for {asked_for_help} requests, the longest took {} ms",
        seen.requests.len(),
        seen.modprobes,
        longest.as_millis()
    ))?;
    nothing_left()?;
    world.expect_loaded(&["vfat", "fat"])
}

/// What processes write into the kernel's log is not left out, however much it is.
fn log_everything() -> Result<()> {
    Ok(fs::write(Path::new(PROC).join("sys/kernel/printk_devkmsg"), "on\n")?)
}

/// No command is noted as running.
fn nothing_left() -> Result<()> {
    let left: Vec<_> = fs::read_dir("/run/modutils/scripts")?
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| !name.to_string_lossy().starts_with("place-"))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// Every command takes longer than there is time; the log says of each request why it failed, until there are too many.
/// Nothing is denied here, which would be among those.
fn hanging_storm(world: &mut World) -> Result<()> {
    log_everything()?;
    let mut log = Tail::new()?;
    let (longest, seen) = requests_of_a_storm(
        "command-time 1\npre-install * while :; do sleep 1; done\n\
         on-request fs-help* while :; do sleep 1; done\n",
    )?;
    ensure!(longest < PATIENCE * 2, "a request took {} s", longest.as_secs());
    ensure!(shells()? == 0, "a shell is left");
    nothing_left()?;
    let records: Vec<_> =
        log.records()?.into_iter().map(|(_, text)| text).filter(|text| text.contains("modprobe[")).collect();
    let told = |what: &str| records.iter().filter(|text| text.contains(what)).count();
    let stopped = told("it was killed") + told("others have been running such commands");
    ensure!(stopped > 0 && stopped + told("were not logged") == records.len(), "{records:?}");
    world.note(&format!(
        "{} requests, {} modprobes, {stopped} of them said that time was up; the longest took {} ms",
        seen.requests.len(),
        seen.modprobes,
        longest.as_millis()
    ))?;
    world.expect_absent(&["vfat", "fat"])
}

/// A command does not end before its gate is opened, and twenty requests wait for it. Meanwhile others come and go.
fn waiting_storm(world: &mut World) -> Result<()> {
    let (begun, gate) = (format!("{WORK}/begun"), format!("{WORK}/gate"));
    crate::program::shell(&format!("mkfifo {gate}"))?;
    configure(&format!(
        "command-time {STORM_TIME}\npre-install fat echo >{begun}; cat {gate}; {0}\npre-install minix {0}\n\
         deny-request fs-denied*\non-request fs-help* {0}\n",
        noting("")
    ))?;
    let waiting = spawn(|| at_once(20, |_| ask::file_system("vfat").is_ok()));
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(&begun).exists() {
        ensure!(Instant::now() < deadline, "the command does not begin");
        sleep(Duration::from_millis(1));
    }
    for (kind, module) in [("minix", Some("minix")), ("efs", Some("efs")), ("denied", None), ("help", None)] {
        ensure!(ask::file_system(kind).is_err(), "{kind} needs a device");
        if let Some(module) = module {
            world.expect_loaded(&[module])?;
        }
    }
    let found = said();
    ensure!(found == ["pre-install minix fs-minix", "on-request fs-help"], "{found:?}");
    ensure!(!waiting.is_finished(), "the requests for vfat did not wait");
    world.expect_absent(&["fat"])?;
    fs::write(&gate, "")?;
    waiting.join().map_err(|_| anyhow!("a request panicked"))??;
    let found = said();
    ensure!(found == ["pre-install fat fs-vfat"], "{found:?}");
    nothing_left()?;
    world.expect_loaded(&["vfat", "fat"])
}
