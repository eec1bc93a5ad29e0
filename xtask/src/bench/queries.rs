//! How long the tools that only read take beside kmod 34's: medians of many runs in one shell each, in turns.
//!
//! All run in a mount namespace in which `/proc/modules`, `/sys/module` and the modules of the running kernel are made
//! up, because what this machine has loaded must not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::{Cache, Program, Release};

use super::median;
use crate::{project, shell};

/// How many modules are loaded.
const LOADED: usize = 200;
/// Rounds; in each, ours and kmod's take turns.
const ROUNDS: usize = 7;
/// The most that ours may take of kmod's time.
const MOST: f64 = 0.5;
/// Milliseconds that a graph of all modules may take; kmod draws none.
const MOST_OF_GRAPH: f64 = 2_000.0;

/// A row: what is measured, by which tool, with which arguments, and how often in a turn.
struct Row {
    what: &'static str,
    tool: &'static str,
    arguments: Vec<String>,
    runs: usize,
    /// Whether anything is promised of it.
    counts: bool,
}

/// Measures all rows; fails if one takes longer than promised.
pub fn run() -> Result<()> {
    let cache = Cache::of_user()?;
    let kernel = cache.kernel()?;
    let root = tempfile::tempdir()?;
    kernel.lay_out(&kernel.modules(), root.path())?;
    let mut depmod = Program::reference(&cache, Release::Kmod34, "depmod")?.command();
    shell::quietly(depmod.arg("-b").arg(root.path()).arg("-C").arg("/nonexistent").arg(&kernel.version))?;
    let directory = root.path().join("lib/modules").join(&kernel.version);
    let dependencies = fs::read_to_string(directory.join("modules.dep"))?;
    let paths: Vec<&str> = dependencies.lines().filter_map(|line| line.split(':').next()).collect();
    let names: Vec<String> = paths
        .iter()
        .filter_map(|path| Some(path.rsplit('/').next()?.split('.').next()?.to_owned()))
        .collect();
    make_up(root.path(), &names, &directory.join("modules.devname"))?;
    let middle = packed(root.path(), &of_middle_size(&directory, &paths)?)?;
    let large = packed(root.path(), &directory.join("kernel/fs/ext4/ext4.ko"))?;

    let of_kernel =
        || ["-b".to_owned(), root.path().display().to_string(), "-k".to_owned(), kernel.version.clone()];
    let with = |more: &[String]| of_kernel().iter().chain(more).cloned().collect::<Vec<_>>();
    let depends = |packed: String| vec!["-F".to_owned(), "depends".to_owned(), packed];
    let row = |what, tool, arguments| Row { what, tool, arguments, runs: 50, counts: true };
    let rows = [
        row("lsmod with 200 modules", "lsmod", Vec::new()),
        row("modinfo ext4", "modinfo", with(&["ext4".to_owned()])),
        Row { runs: 1, ..row("modinfo of all modules", "modinfo", with(&names)) },
        row("modinfo -F depends of one .ko.xz", "modinfo", depends(middle)),
        // The table of sections is at the end: this is the time that the xz library takes to unpack all of it.
        Row { counts: false, ..row("the same of a large one, ext4", "modinfo", depends(large)) },
        row("kmod static-nodes", "kmod", vec!["static-nodes".to_owned()]),
    ];
    let mut slow = 0;
    for row in rows {
        if row.tool == "kmod" && !Path::new("/lib/modules").is_dir() {
            println!("{:34} not measured: this machine has no /lib/modules to put a list into", row.what);
            continue;
        }
        let ours = Program::plain(row.tool, &project::build(row.tool)?.path);
        let theirs = Program::reference(&cache, Release::Kmod34, row.tool)?;
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our.push(time(root.path(), &ours, &row)?);
            their.push(time(root.path(), &theirs, &row)?);
        }
        let (our, their) = (median(our), median(their));
        let verdict = match our / their {
            _ if !row.counts => ", nothing promised",
            ratio if ratio <= MOST => "",
            _ => ", MORE than 0.5",
        };
        println!("{:34} {our:9.3} ms, kmod 34 {their:9.3} ms, ratio {:.2}{verdict}", row.what, our / their);
        slow += usize::from(row.counts && our > MOST * their);
    }
    let mut graph = of_kernel().to_vec();
    graph.insert(0, "graph".to_owned());
    let graph = Row { runs: 1, ..row("kmod graph of all modules", "kmod", graph) };
    let ours = Program::plain("kmod", &project::build("kmod")?.path);
    let times = (0..ROUNDS).map(|_| time(root.path(), &ours, &graph)).collect::<Result<Vec<_>>>()?;
    let time = median(times);
    println!("{:34} {time:9.3} ms, promised {MOST_OF_GRAPH}", graph.what);
    ensure!(time <= MOST_OF_GRAPH, "{} takes too long", graph.what);
    ensure!(slow == 0, "{slow} rows take longer than promised");
    Ok(())
}

/// The module than which as many are smaller as are larger.
fn of_middle_size(directory: &Path, paths: &[&str]) -> Result<PathBuf> {
    let sized = |path: &&str| {
        let path = directory.join(path);
        Ok((fs::metadata(&path)?.len(), path))
    };
    let mut sizes = paths.iter().map(sized).collect::<Result<Vec<_>>>()?;
    sizes.sort();
    Ok(sizes.swap_remove(sizes.len() / 2).1)
}

/// A copy of a module, packed by xz; its path.
fn packed(directory: &Path, module: &Path) -> Result<String> {
    let name = module.file_name().context("a module has a name")?.to_string_lossy();
    let packed = directory.join(format!("{name}.xz"));
    fs::write(&packed, fixtures::compress(&fs::read(module)?, fixtures::Compression::Xz)?)?;
    Ok(packed.display().to_string())
}

/// What the kernel would show with some modules loaded.
fn make_up(root: &Path, names: &[String], devname: &Path) -> Result<()> {
    let mut list = String::new();
    let loaded: Vec<&String> = names.iter().take(LOADED).collect();
    ensure!(loaded.len() == LOADED, "only {} modules", loaded.len());
    for (number, name) in loaded.iter().enumerate() {
        let name = name.replace('-', "_");
        list += &format!("{name} 16384 0 - Live 0x0000000000000000\n");
        let directory = root.join("sys-module").join(&name);
        fs::create_dir_all(directory.join("holders"))?;
        fs::write(directory.join("coresize"), "16384\n")?;
        fs::write(directory.join("refcnt"), format!("{}\n", number % 3))?;
        if number % 3 > 0 {
            fs::write(directory.join("holders/other"), "")?;
        }
    }
    fs::write(root.join("proc-modules"), list)?;
    fs::copy(devname, root.join("modules.devname"))?;
    Ok(())
}

/// Milliseconds of one run, as the mean of those of a turn.
fn time(root: &Path, program: &Program, row: &Row) -> Result<f64> {
    const SCRIPT: &str = r#"
        root=$1 runs=$2
        shift 2
        mount --bind "$root/sys-module" /sys/module
        mount -t tmpfs tmpfs /proc
        cp "$root/proc-modules" /proc/modules
        if [ -d /lib/modules ]; then
            mount -t tmpfs tmpfs /lib/modules
            mkdir "/lib/modules/$(uname -r)"
            cp "$root/modules.devname" "/lib/modules/$(uname -r)"
        fi
        start=$(date +%s%N)
        left=$runs
        while [ "$left" -gt 0 ]; do
            "$@" >/dev/null
            left=$((left - 1))
        done
        echo "$(($(date +%s%N) - start))"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]);
    command.arg(root).arg(row.runs.to_string()).args(program.words()).args(&row.arguments);
    command.env("LC_ALL", "C");
    let text = shell::output(&mut command)?;
    let nanoseconds: f64 = text.trim().parse().with_context(|| format!("{}: {text}", row.what))?;
    Ok(nanoseconds / 1e6 / row.runs as f64)
}
