//! modprobe in the forms in which kernels call it, in worlds that are whole, damaged or empty: whatever it finds,
//! it makes no call but those of the list.

use std::fs;
use std::os::unix::net::UnixDatagram;

use anyhow::{Context as _, Result, ensure};

use crate::allowed::{self, Sockets};
use crate::trace::{self, Call};
use crate::world::{Build, Root, make_database, modules, release};

/// Linux up to 2.4.
const OLD: [&str; 3] = ["-s", "-k", "--"];
/// Linux today.
const NEW: [&str; 2] = ["-q", "--"];
/// The most system calls that a request for a name which does not exist may take: somebody waits for each of them.
const BUDGET: usize = 80;

/// A request in a world.
struct Case {
    name: &'static str,
    /// Changes the whole world.
    change: fn(&Root) -> Result<()>,
    request: &'static str,
    status: i32,
    /// In both forms: quiet as they are.
    tells: Tells,
}

/// Whether a run has something to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    Nothing,
    Something,
}

const CASES: [Case; 16] = [
    case("an-unknown-name", whole, "nonesuch", 1),
    case("a-module-with-a-dependency", whole, "net-pf-29", 1),
    case("a-compressed-module", whole, "fs-packed", 1),
    case("a-module-that-is-loaded", loaded, "net-pf-29", 0),
    case("a-module-that-is-built-in", whole, "part", 0),
    case("a-blacklisted-alias", |root| configure(root, "blacklist top\n"), "net-pf-29", 0),
    case("a-configured-alias-to-nothing", |root| configure(root, "alias x none\n"), "x", 1),
    case("a-configuration-with-softdeps-and-options", softdeps, "net-pf-29", 1),
    case("a-name-like-a-path", whole, "/lib/modules/low.ko", 1),
    case("a-name-like-an-option", whole, "-r", 1),
    case("a-name-like-a-parameter", whole, "low=1", 1),
    told(case("no-database", |root| databases(root, None), "net-pf-1", 1)),
    told(case("a-damaged-database", |root| databases(root, Some(b"junk")), "net-pf-1", 1)),
    told(case("empty-indexes", |root| databases(root, Some(b"")), "net-pf-1", 1)),
    told(case("no-module-directory", |root| Ok(fs::remove_dir_all(root.at("/lib/modules"))?), "net-pf-1", 1)),
    told(case("requests-are-logged", log_requests, "net-pf-77", 1)),
];

const fn case(
    name: &'static str,
    change: fn(&Root) -> Result<()>,
    request: &'static str,
    status: i32,
) -> Case {
    Case { name, change, request, status, tells: Tells::Nothing }
}

/// The same, with something to log.
const fn told(case: Case) -> Case {
    Case { tells: Tells::Something, ..case }
}

fn whole(_: &Root) -> Result<()> {
    Ok(())
}

fn configure(root: &Root, lines: &str) -> Result<()> {
    root.write("/etc/modprobe.d/a.conf", lines)
}

fn softdeps(root: &Root) -> Result<()> {
    configure(root, "softdep top pre: packed post: low\noptions top a=1\noptions low b=\"c d\"\n")
}

fn loaded(root: &Root) -> Result<()> {
    for module in ["low", "top"] {
        root.write(&format!("/sys/module/{module}/initstate"), "live\n")?;
        root.write(&format!("/sys/module/{module}/refcnt"), "0\n")?;
    }
    root.write("/proc/sys/kernel/random/boot_id", "11111111-1111-1111-1111-111111111111\n")
}

fn log_requests(root: &Root) -> Result<()> {
    root.write("/etc/modutils.d/a.conf", "log-requests\n")?;
    root.write("/proc/7/comm", "candump\n")?;
    root.write("/proc/7/task/7/wchan", "call_usermodehelper_exec")
}

/// Every file of the database gets this content, or goes.
fn databases(root: &Root, content: Option<&[u8]>) -> Result<()> {
    for entry in fs::read_dir(root.at("/lib/modules").join(release()?))? {
        let path = entry?.path();
        match content {
            _ if !path.to_string_lossy().contains("/modules.") => {}
            Some(content) => fs::write(&path, content)?,
            None => fs::remove_file(&path)?,
        }
    }
    Ok(())
}

/// Something about a world, and what brings it about.
type Surroundings = (&'static str, fn(&Root) -> Result<()>);

/// The surroundings in which each case is run: each adds something to the one before.
const SURROUNDINGS: [Surroundings; 3] = [
    ("bare", whole),
    ("with-null-and-log", |root| {
        root.write("/dev/null", "")?;
        root.write("/dev/kmsg", "")
    }),
    ("with-a-stale-syslog-socket", |root| {
        // A list of sockets that does not name it: nobody listens.
        root.write("/proc/net/unix", "Num       RefCount Protocol Flags    Type St Inode Path\n")?;
        drop(UnixDatagram::bind(root.at("/dev/log"))?);
        Ok(())
    }),
];

/// Every check: its name, and how it ended.
pub fn checks(build: Build<'_>) -> Vec<(String, Result<()>)> {
    let mut checks = Vec::new();
    for case in &CASES {
        for (form, options) in [("new", &NEW[..]), ("old", &OLD[..])] {
            let name = format!("kernel-form/{}-in-the-{form}-form", case.name);
            checks.push((name, in_all_surroundings(build, case, options)));
        }
    }
    checks.push(("kernel-form/an-unknown-name-is-cheap".into(), is_cheap(build)));
    let name = "kernel-form/a-parent-in-another-namespace-is-not-the-kernel";
    checks.push((name.into(), another_namespace(build)));
    checks.push(("kernel-form/a-daemon-that-listens-is-told-over-one-socket".into(), listening(build)));
    checks
}

fn in_all_surroundings(build: Build<'_>, case: &Case, options: &[&str]) -> Result<()> {
    let root = Root::new(build, &modules()?)?;
    make_database(&root, build)?;
    (case.change)(&root)?;
    let words = [options, &[case.request]].concat();
    for (name, add) in SURROUNDINGS {
        add(&root)?;
        // Nothing has been told since this boot.
        let _ = fs::remove_dir_all(root.at("/run/modutils"));
        let run = trace::run(root.path(), "modprobe", &words).context(name)?;
        allowed::check(&run.calls, Sockets::Never).context(name)?;
        ensure!(run.status == case.status, "{name}: status {}, not {}", run.status, case.status);
        tells_last(&run.calls, case.tells).context(name)?;
    }
    Ok(())
}

/// Whoever has nothing to tell looks at no place of logging; whoever has does so when all work is done.
fn tells_last(calls: &[Call], tells: Tells) -> Result<()> {
    let is_log = |call: &&Call| matches!(call.path(), Some("/dev/kmsg" | "/dev/log" | "/proc/net/unix"));
    let Some(first) = calls.iter().position(|call| is_log(&call)) else {
        ensure!(tells == Tells::Nothing, "it tells nothing");
        return Ok(());
    };
    let told = calls.get(first..).unwrap_or_default();
    ensure!(tells == Tells::Something, "it has nothing to tell, and asks for {:?}", told.first());
    let work = |call: &&Call| {
        call.path().is_some_and(|path| path.starts_with("/lib/modules")) || call.name.ends_with("init_module")
    };
    let late: Vec<_> = told.iter().filter(work).collect();
    ensure!(late.is_empty(), "it tells before all work is done: {late:?}");
    Ok(())
}

fn is_cheap(build: Build<'_>) -> Result<()> {
    let root = Root::new(build, &modules()?)?;
    make_database(&root, build)?;
    let count = trace::run(root.path(), "modprobe", &["-q", "--", "nonesuch"])?.calls.len();
    println!("        {count} system calls for an unknown name; at most {BUDGET}");
    ensure!(count <= BUDGET, "{count} system calls");
    Ok(())
}

/// A parent in another PID namespace is shown as none, and is not the kernel: what is asked for may be a path.
fn another_namespace(build: Build<'_>) -> Result<()> {
    let root = Root::new(build, &modules()?)?;
    make_database(&root, build)?;
    let words = ["-q", "--", "/lib/none.ko"];
    let looks = |run: &trace::Run| run.calls.iter().any(|call| call.path() == Some("/lib/none.ko"));
    ensure!(
        !looks(&trace::run(root.path(), "modprobe", &words)?),
        "the kernel's request was taken for a path"
    );
    ensure!(
        looks(&trace::run_without_parent(root.path(), "modprobe", &words)?),
        "a person's path was not looked at"
    );
    Ok(())
}

fn listening(build: Build<'_>) -> Result<()> {
    let root = Root::new(build, &modules()?)?;
    // Without a database something is to be told.
    let head = "Num       RefCount Protocol Flags    Type St Inode Path\n";
    let line = "0000000000000000: 00000002 00000000 00000000 0002 01 12345 /dev/log\n";
    root.write("/proc/net/unix", format!("{head}{line}"))?;
    root.write("/dev/kmsg", "")?;
    let daemon = UnixDatagram::bind(root.at("/dev/log"))?;
    daemon.set_nonblocking(true)?;
    let run = trace::run(root.path(), "modprobe", &["-s", "-k", "--", "net-pf-1"])?;
    allowed::check(&run.calls, Sockets::ToTheLog)?;
    let count = |name: &str| run.calls.iter().filter(|call| call.name == name).count();
    ensure!((count("socket"), count("connect"), run.status) == (1, 1, 1), "{:?}", run.calls);
    let mut message = [0; 1024];
    let length = daemon.recv(&mut message).context("the daemon was told nothing")?;
    let message = String::from_utf8_lossy(message.get(..length).unwrap_or_default()).into_owned();
    ensure!(message.contains("modules.dep") && message.contains("depmod"), "{message}");
    Ok(())
}
