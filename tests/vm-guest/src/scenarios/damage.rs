//! The database is missing or damaged, and the kernel asks. Whatever happens inside modprobe, one request is one
//! process that ends.

mod interrupted;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::net::SocketType;

use super::{ends_in_time, expect_requests};
use crate::ask::{self, family};
use crate::catalog::{Group, Scenario};
use crate::kernel_log::Tail;
use crate::program::{run, run_closed};
use crate::world::{MODPROBE, Unmounted, World};
use crate::{netlink, stand_in};

/// The indexes that a request makes modprobe look into.
const INDEXES: [&str; 4] =
    ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin"];

/// See the module.
pub const GROUP: Group = Group::new(
    "damage",
    &[
        Scenario::new("a-damaged-dependency-index-costs-one-modprobe", &["minix"], |world| {
            each_damage(world, "modules.dep.bin", Rubbish::Some)
        }),
        Scenario::new("a-damaged-alias-index-costs-one-modprobe", &["minix"], |world| {
            each_damage(world, "modules.alias.bin", Rubbish::Some)
        }),
        Scenario::new("a-damaged-symbol-index-costs-one-modprobe", &["minix"], |world| {
            each_damage(world, "modules.symbols.bin", Rubbish::Some)
        }),
        Scenario::new("a-damaged-builtin-index-costs-one-modprobe", &["minix"], |world| {
            each_damage(world, "modules.builtin.bin", Rubbish::Some)
        }),
        Scenario::new("rubbish-in-any-index-costs-one-modprobe", &["minix"], any_rubbish)
            .ours_only()
            .within(300),
        Scenario::new("an-index-that-is-no-file-costs-one-modprobe", &["minix"], no_file)
            .ours_only()
            .within(300),
        Scenario::new("without-the-module-directory-a-request-fails-once", &[], no_directory),
        Scenario::new("without-any-database-a-request-fails-once", &[], |world| no_database(world)),
        Scenario::new("without-indexes-the-text-files-answer", &["vfat"], text_answers).ours_only(),
        Scenario::new("with-damaged-indexes-the-text-files-answer", &["vfat"], text_answers_damaged)
            .ours_only(),
        Scenario::new("a-missing-database-is-logged-once-when-the-kernel-asks", &[], logged_once).ours_only(),
        Scenario::new("a-missing-database-is-logged-in-the-form-of-linux-2-4", &[], logged_old_form)
            .ours_only(),
        Scenario::new("a-missing-database-is-logged-for-net-pf-1-by-hand", &[], logged_by_hand).ours_only(),
        Scenario::new(
            "without-any-database-every-kind-of-request-costs-one-modprobe",
            &["algif_hash"],
            every_kind,
        )
        .ours_only()
        .within(180),
        Scenario::new("a-damaged-database-is-logged-once-when-the-kernel-asks", &[], damage_logged)
            .ours_only(),
        Scenario::new(
            "without-a-place-to-remember-a-missing-database-is-logged-each-time",
            &[],
            logged_each_time,
        )
        .ours_only(),
        Scenario::new("without-place-and-directory-nothing-is-logged", &[], logged_never).ours_only(),
        Scenario::new("a-depmod-killed-while-it-replaced-files-is-seen", &["minix"], interrupted::killed)
            .ours_only(),
        Scenario::new("quiet-by-hand-logs-nothing-of-a-missing-database", &[], quiet_by_hand).ours_only(),
        Scenario::new("a-person-is-told-of-a-missing-database", &[], person_is_told),
    ],
);

/// How far the damage goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rubbish {
    /// As a full disk or a power cut leaves it: absent, empty, or a first part that is whole.
    Some,
    /// Anything, such as a good header with nonsense behind it.
    All,
}

/// The damaged forms of a file: what it is called, and the content or `None` for no file.
fn damages(content: &[u8], rubbish: Rubbish) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let header = content.get(..12).unwrap_or(content);
    let mut damages = vec![
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut after the magic number", Some(content.get(..4).unwrap_or(content).to_vec())),
        ("text instead of an index", Some(b"this is no index\n".repeat(100))),
    ];
    if rubbish == Rubbish::All {
        let half = content.len() / 2;
        // Deterministic nonsense, all byte values.
        let noise = |from: usize| (from..content.len()).map(|at| (at.wrapping_mul(167) ^ (at >> 7)) as u8);
        damages.extend([
            ("cut in the middle", Some(content.get(..half).unwrap_or_default().to_vec())),
            ("only its header", Some(header.to_vec())),
            ("zeros behind its header", Some([header, &vec![0; content.len()]].concat())),
            ("ones behind its header", Some([header, &vec![0xff; content.len()]].concat())),
            ("noise behind its header", Some([header, &noise(12).collect::<Vec<u8>>()].concat())),
            ("noise", Some(noise(0).collect())),
        ]);
    }
    damages
}

fn apply(path: &Path, damage: Option<&[u8]>) -> Result<()> {
    let _ = fs::remove_file(path);
    if let Some(content) = damage {
        fs::write(path, content)?;
    }
    Ok(())
}

fn each_damage(world: &World, name: &str, rubbish: Rubbish) -> Result<()> {
    let path = world.database(name);
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for (what, damage) in damages(&content, rubbish) {
        apply(&path, damage.as_deref())?;
        one_modprobe_each().with_context(|| format!("{name}: {what}"))?;
    }
    apply(&path, Some(&content))
}

/// A request that can be answered with a whole database, and one that cannot.
fn one_modprobe_each() -> Result<()> {
    let _ = expect_requests(&["fs-minix"], || ends_in_time(|| ask::file_system("minix")))??;
    let _ = crate::world::remove_module("minix");
    let names = ["char-major-60-1"];
    let asked = expect_requests_beginning(&names, || ask::character_device(60, 1))?;
    ensure!(asked.is_err());
    Ok(())
}

/// The device's fallback is asked for only if modprobe failed, which some damage prevents in the reference.
fn expect_requests_beginning<T: Send + 'static>(
    names: &[&str],
    action: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (value, seen) = crate::trace::watch(|| ends_in_time(action))?;
    ensure!(seen.requests.iter().zip(names).all(|(request, name)| request == name), "{seen:?}");
    ensure!(seen.crashes.is_empty(), "crashed: {:?}", seen.crashes);
    ensure!(seen.modprobes == seen.requests.len(), "not one modprobe for each request: {seen:?}");
    value
}

fn any_rubbish(world: &mut World) -> Result<()> {
    for name in INDEXES {
        each_damage(world, name, Rubbish::All)?;
    }
    Ok(())
}

fn no_file(world: &mut World) -> Result<()> {
    for name in INDEXES {
        let path = world.database(name);
        let content = fs::read(&path)?;
        apply(&path, None)?;
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0)?;
        one_modprobe_each().with_context(|| format!("{name}: a fifo"))?;
        apply(&path, None)?;
        symlink("/dev/ttyS0", &path)?;
        one_modprobe_each().with_context(|| format!("{name}: a terminal"))?;
        apply(&path, Some(&content))?;
    }
    Ok(())
}

fn no_directory(world: &mut World) -> Result<()> {
    fs::rename(world.modules_dir(), world.hidden_modules_dir())?;
    let mounted = expect_requests(&["fs-minix"], || ends_in_time(|| ask::file_system("minix")))??;
    ensure!(mounted.is_err());
    let names = ["char-major-60-1", "char-major-60"];
    ensure!(expect_requests(&names, || ask::character_device(60, 1))?.is_err());
    Ok(())
}

fn remove_database(world: &World) -> Result<()> {
    for entry in fs::read_dir(world.modules_dir())? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"modules.") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn no_database(world: &World) -> Result<()> {
    remove_database(world)?;
    let opened =
        expect_requests(&["net-pf-29"], || ends_in_time(|| ask::socket(family::CAN, SocketType::RAW, 1)))??;
    ensure!(opened.is_err());
    Ok(())
}

fn text_answers(world: &mut World) -> Result<()> {
    for name in INDEXES {
        apply(&world.database(name), None)?;
    }
    let _ = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    world.expect_loaded(&["vfat", "fat"])
}

fn text_answers_damaged(world: &mut World) -> Result<()> {
    for name in ["modules.dep.bin", "modules.alias.bin"] {
        apply(&world.database(name), Some(b"junk"))?;
    }
    let _ = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    world.expect_loaded(&["vfat", "fat"])
}

/// The records that tell of the missing database.
fn complaints(log: &mut Tail) -> Result<Vec<(u32, String)>> {
    let mut records = log.records()?;
    records.retain(|(_, text)| text.contains("modules.dep") && text.contains("depmod"));
    Ok(records)
}

fn logged_once(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let mut log = Tail::new()?;
    for _ in 0..3 {
        let opened = expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?;
        ensure!(opened.is_err());
    }
    let complaints = complaints(&mut log)?;
    ensure!(complaints.len() == 1, "expected one record in the kernel's log: {complaints:?}");
    ensure!(complaints.iter().all(|(priority, _)| priority % 8 == 3), "not an error: {complaints:?}");
    Ok(())
}

fn logged_old_form(world: &mut World) -> Result<()> {
    remove_database(world)?;
    world.kernel_starts(&stand_in::path(stand_in::LINUX_2_4)?)?;
    let mut log = Tail::new()?;
    let opened = expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?;
    ensure!(opened.is_err());
    let complaints = complaints(&mut log)?;
    ensure!(complaints.len() == 1, "expected one record in the kernel's log: {complaints:?}");
    Ok(())
}

fn logged_by_hand(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let mut log = Tail::new()?;
    expect_requests(&[], || ()).context("before")?;
    let (ended, seen) = crate::trace::watch(|| run_closed(MODPROBE, &["-s", "-k", "--", "net-pf-1"]))?;
    ended?.expect_code(1)?;
    ensure!(seen.modprobes == 1 && seen.requests.is_empty(), "{seen:?}");
    let complaints = complaints(&mut log)?;
    ensure!(complaints.len() == 1, "expected one record in the kernel's log: {complaints:?}");
    Ok(())
}

/// Every way to make the kernel ask, in every form in which kernels call: none makes modprobe need what it was
/// asked for.
fn every_kind(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let mut log = Tail::new()?;
    for form in [None, Some(stand_in::SYSLOG), Some(stand_in::LINUX_2_4)] {
        match form {
            None => world.kernel_starts(MODPROBE)?,
            Some(form) => world.kernel_starts(&stand_in::path(form)?)?,
        }
        each_kind_once().with_context(|| format!("{form:?}"))?;
    }
    let complaints = complaints(&mut log)?;
    // With -s everything is told to whoever reads the log; in the two forms of the kernel, once per boot.
    let told = complaints.iter().filter(|(_, text)| text.contains("run depmod")).count();
    ensure!(told == 1, "expected one record that says what to do: {complaints:?}");
    Ok(())
}

fn each_kind_once() -> Result<()> {
    fn expect<T>(names: &[&str], action: impl FnOnce() -> T + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
    {
        expect_requests(names, || ends_in_time(action))?
    }
    ensure!(expect(&["fs-minix"], || ask::file_system("minix"))?.is_err());
    ensure!(expect(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?.is_err());
    ensure!(expect(&["net-pf-16-proto-12"], || ask::socket(16, SocketType::RAW, 12))?.is_err());
    let family = "net-pf-16-proto-16-family-wireguard";
    ensure!(expect(&[family], || netlink::generic_family("wireguard"))?.is_err());
    ensure!(expect(&["net-pf-38"], || ask::crypto("hash", "rmd160"))?.is_err());
    let names = ["char-major-108-0", "char-major-108"];
    ensure!(expect(&names, || ask::character_device(108, 0))?.is_err());
    let names = ["block-major-60-1", "block-major-60"];
    ensure!(expect(&names, || ask::block_device(60, 1))?.is_err());
    ensure!(expect(&["binfmt-0403"], || ask::execute(&[1, 2, 3, 4, 5, 6, 7, 8]))?.is_err());
    ensure!(expect(&["netdev-dummy", "dummy"], || ask::interface("dummy"))?.is_err());
    ensure!(expect(&["rtnl-link-dummy"], || netlink::create("dummy", "vm0"))?.is_err());
    ensure!(expect(&["tcp_vegas"], || ask::congestion_control("vegas"))?.is_err());
    Ok(())
}

fn damage_logged(world: &mut World) -> Result<()> {
    remove_database(world)?;
    fs::write(world.database("modules.dep.bin"), "junk")?;
    let mut log = Tail::new()?;
    for _ in 0..3 {
        let _ = expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?;
    }
    let complaints = complaints(&mut log)?;
    ensure!(complaints.len() == 1, "expected one record in the kernel's log: {complaints:?}");
    ensure!(complaints.iter().all(|(_, text)| text.contains("cannot be used")), "{complaints:?}");
    Ok(())
}

/// Without `/run`, on a root that cannot be written.
fn forgetful<T>(action: impl FnOnce() -> Result<T>) -> Result<T> {
    let _run = Unmounted::of("/run")?;
    let _root = Unmounted::root_writing()?;
    action()
}

fn logged_each_time(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let mut log = Tail::new()?;
    forgetful(|| {
        for _ in 0..2 {
            let _ = expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?;
        }
        Ok(())
    })?;
    let complaints = complaints(&mut log)?;
    ensure!(complaints.len() == 2, "expected two records in the kernel's log: {complaints:?}");
    Ok(())
}

fn logged_never(world: &mut World) -> Result<()> {
    fs::rename(world.modules_dir(), world.hidden_modules_dir())?;
    let mut log = Tail::new()?;
    forgetful(|| expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1)).map(drop))?;
    let complaints = complaints(&mut log)?;
    ensure!(complaints.is_empty(), "an initramfs may well have no modules: {complaints:?}");
    Ok(())
}

fn quiet_by_hand(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let mut log = Tail::new()?;
    let ended = run(MODPROBE, &["-q", "minix"])?;
    ensure!(ended.stderr.is_empty() && ended.stdout.is_empty(), "{ended:?}");
    let complaints = complaints(&mut log)?;
    ensure!(complaints.is_empty(), "{complaints:?}");
    Ok(())
}

fn person_is_told(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let ended = run(MODPROBE, &["minix"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("minix") || ended.stderr.contains("modules.dep"), "{ended:?}");
    Ok(())
}
