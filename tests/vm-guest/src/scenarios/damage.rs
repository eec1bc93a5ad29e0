//! The database is missing or damaged, and the kernel asks. Whatever happens inside modprobe, one request is one
//! process that ends.

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
use crate::stand_in;
use crate::world::{MODPROBE, World};

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

fn person_is_told(world: &mut World) -> Result<()> {
    remove_database(world)?;
    let ended = run(MODPROBE, &["minix"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains("minix") || ended.stderr.contains("modules.dep"), "{ended:?}");
    Ok(())
}
