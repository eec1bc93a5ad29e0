//! `rmmod -a` when there is nothing to do, every five minutes for years: how many system calls that costs, and on
//! demand how long it takes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fixtures::{Module, Tree};

use crate::trace::{self, Run};
use crate::world::{Build, Root, make_database, release};

const LOADED: usize = 200;
const RECORDED: usize = 50;
const BOOT: &str = "11111111-1111-1111-1111-111111111111";
/// The most system calls that a pass may make which finds what the pass before it found.
const BUDGET: usize = 800;
/// The longest that such a pass may take.
const LIMIT: Duration = Duration::from_millis(10);
/// Passes that are measured as one, so that nothing but them counts.
const PASSES: u32 = 20;
/// How often they are.
const ROUNDS: usize = 15;

/// Why the recorded modules stay, in turns.
const KINDS: usize = 5;

/// What a machine shows of 200 modules, of which 50 came in on demand: some in use, some of an untrusted class by
/// their request or by their file, some wanted, and the rest idle for less than an interval.
fn machine(build: Build<'_>) -> Result<Root> {
    let name = |number: usize| format!("module_{number}");
    let mut tree = Tree::new(&release()?).directory("/run").directory("/dev");
    let mut order = Vec::new();
    for number in 0..LOADED {
        let module = Module::new(&name(number)).info("license=MIT").alias(&format!("fs-module_{number}"));
        let other = number % KINDS == 2;
        let module = if other { module.alias("pci:v00008086d*") } else { module };
        tree = tree.module(&format!("kernel/{}.ko", name(number)), module);
        order.push(format!("kernel/{}.ko", name(number)));
    }
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    let root = Root::new(build, &tree.order(&order).builtin(&[]).builtin_modinfo(&[]))?;
    make_database(&root, build)?;
    system(&root)?;
    let mut list = String::new();
    for number in 0..LOADED {
        let name = name(number);
        let users = usize::from(number % KINDS == 0);
        list += &format!("{name} 16384 {users} - Live 0x0000000000000000\n");
        root.write(&format!("/sys/module/{name}/initstate"), "live\n")?;
        root.write(&format!("/sys/module/{name}/refcnt"), format!("{users}\n"))?;
        fs::create_dir(root.at(&format!("/sys/module/{name}/holders")))?;
        if number < RECORDED {
            record(&root, &name, number)?;
        }
    }
    root.write("/proc/modules", list)?;
    Ok(root)
}

fn record(root: &Root, name: &str, number: usize) -> Result<()> {
    let class = if number % KINDS == 1 { "rtnl-link-" } else { "fs-" };
    let inode = fs::metadata(root.at(&format!("/sys/module/{name}")))?.ino();
    let identity = format!("inode={inode}\nboot={BOOT}\n");
    let text = format!("request={class}{name}\nrole=target\nloaded=1\n{identity}");
    root.write(&format!("/run/modutils/autoloaded/{name}"), text)?;
    if number % KINDS == 3 {
        root.write(&format!("/run/modutils/pinned/{name}"), identity)?;
    }
    Ok(())
}

/// Mounts, disks and interfaces as a small server has them.
fn system(root: &Root) -> Result<()> {
    root.write("/proc/sys/kernel/random/boot_id", format!("{BOOT}\n"))?;
    root.write("/proc/cmdline", "quiet\n")?;
    root.write("/proc/swaps", "Filename Type Size Used Priority\n")?;
    root.write("/proc/devices", "Character devices:\n  1 mem\n\nBlock devices:\n  8 sd\n")?;
    root.write("/proc/net/protocols", "protocol size sockets memory press maxhdr slab module\n")?;
    root.write("/proc/mounts", "none /mnt/x tmpfs rw 0 0\n".repeat(40))?;
    root.write("/proc/net/ip_tables_names", "filter\n")?;
    for number in 0..4 {
        let interface = format!("/sys/class/net/eth{number}");
        root.write(&format!("{interface}/uevent"), format!("INTERFACE=eth{number}\n"))?;
        fs::create_dir_all(root.at(&format!("{interface}/device/driver")))?;
        symlink("../../../../module/e1000", root.at(&format!("{interface}/device/driver/module")))?;
        root.write(&format!("/sys/block/sd{number}/dev"), format!("8:{number}\n"))?;
    }
    Ok(())
}

/// Every check: its name, and how it ended.
pub fn checks(build: Build<'_>) -> Vec<(String, Result<()>)> {
    vec![("autoclean/a-pass-with-nothing-to-do-is-silent-and-cheap".into(), is_cheap(build))]
}

fn pass(root: &Root) -> Result<Run> {
    let run = trace::run(root.path(), "rmmod", &["-a"])?;
    ensure!(run.status == 0, "status {}", run.status);
    Ok(run)
}

fn is_cheap(build: Build<'_>) -> Result<()> {
    let root = machine(build)?;
    let first = pass(&root)?;
    let marks = fs::read_to_string(root.at("/run/modutils/marks")).context("the first pass noted nothing")?;
    // The idle ones, and those whose file speaks against them: two of five kinds.
    ensure!(marks.lines().count() > RECORDED / KINDS * 2, "{marks}");
    let second = pass(&root)?;
    let written: Vec<_> =
        second.calls.iter().filter(|call| call.name.starts_with("write") || call.name == "rename").collect();
    ensure!(written.is_empty(), "it wrote: {written:?}");
    ensure!(fs::read_to_string(root.at("/run/modutils/marks"))? == marks, "the marks have changed");
    let count = second.calls.len();
    println!("        {count} system calls, {} in the first pass; at most {BUDGET}", first.calls.len());
    ensure!(count <= BUDGET, "{count} system calls");
    Ok(())
}

/// How long a pass with nothing to do takes, started by a shell as cron does it.
///
/// # Errors
/// When it takes longer than it may.
pub fn measure(build: Build<'_>, shell: &Path) -> Result<()> {
    let root = machine(build)?;
    fs::create_dir_all(root.at("/bin"))?;
    fs::copy(shell, root.at("/bin/sh")).with_context(|| shell.display().to_string())?;
    run_passes(&root, "/sbin/rmmod -a")?;
    let mut medians = Vec::new();
    for (what, command) in [("with rmmod -a", "/sbin/rmmod -a"), ("with another program", "/bin/sh -c :")] {
        let mut times = (0..ROUNDS).map(|_| run_passes(&root, command)).collect::<Result<Vec<_>>>()?;
        times.sort_unstable();
        let (least, median) = (times.first().copied().unwrap_or_default(), times.get(ROUNDS / 2).copied());
        let median = median.context("nothing was measured")?;
        println!("{what}: median {} us, minimum {} us", median.as_micros(), least.as_micros());
        medians.push(median);
    }
    let of_rmmod = medians.first().copied().unwrap_or(LIMIT);
    println!(
        "{LOADED} modules loaded, {RECORDED} recorded; medians of {ROUNDS} times {PASSES} runs, start included"
    );
    ensure!(of_rmmod < LIMIT, "a pass with nothing to do takes {} us", of_rmmod.as_micros());
    Ok(())
}

/// The time of one of many runs of a command in the root.
fn run_passes(root: &Root, command: &str) -> Result<Duration> {
    let script = format!("i=0; while [ $i -lt {PASSES} ]; do {command} || exit 1; i=$((i+1)); done");
    let started = Instant::now();
    let output = Command::new("unshare")
        .args(["-Ur", "-R"])
        .arg(root.path())
        .args(["/bin/sh", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .context("cannot start unshare")?;
    let time = started.elapsed();
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success() && said.is_empty(), "{command}: {}", String::from_utf8_lossy(&said));
    Ok(time / PASSES)
}
