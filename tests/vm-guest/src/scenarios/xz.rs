//! Modules compressed by xz in ways that a kernel's own decompressor reads, and in ways that it does not. Who
//! decompresses is decided before the kernel is asked, and it is asked once: after a refusal nobody knows whether the
//! module's code has run.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;

use super::patched::Tree;
use crate::catalog::{Group, Scenario};
use crate::program::{modprobe, run};
use crate::trace;
use crate::world::{OWN, World};

const MODULE: &str = "minix";
const INSMOD: &str = "/sbin/insmod";

/// See the module.
pub const GROUP: Group = Group::new(
    "xz",
    &[
        Scenario::new("the-kernel-reads-what-it-can-and-ours-the-rest", &[], once)
            .with_compressed(&[(MODULE, "xz"), (MODULE, "crc64.xz"), (MODULE, "two.xz")])
            .ours_only(),
        Scenario::new("debians-own-files-are-read-by-who-can", &["vfat"], own).ours_only(),
    ],
);

/// Whether this kernel reads files compressed by xz itself.
fn reads_xz() -> bool {
    fs::read("/sys/module/compression").is_ok_and(|name| name.trim_ascii() == b"xz")
}

fn once(world: &mut World) -> Result<()> {
    let (kernel, ours) = ("finit_module", "init_module");
    for (suffix, is_read) in [("xz", reads_xz()), ("crc64.xz", false), ("two.xz", false)] {
        let from = format!("{OWN}/compressed/{MODULE}.ko.{suffix}");
        let content = fs::read(&from).with_context(|| format!("cannot read {from}"))?;
        let tree = Tree::new(world)?;
        tree.put("minix.ko.xz", &content)?;
        tree.index()?;
        let path = tree.modules.join("kernel/minix.ko.xz");
        if reads_xz() && !is_read {
            refused(&path).context(suffix)?;
        }
        let expected = if is_read { kernel } else { ours };
        let (loaded, calls) = trace::insertions(|| modprobe(&tree.with(&[MODULE])))?;
        loaded.with_context(|| format!("modprobe, {suffix}"))?;
        ensure!(calls == [expected], "modprobe, {suffix}: expected one {expected}, there were {calls:?}");
        world.expect_loaded(&[MODULE])?;
        modprobe(&["-r", MODULE])?;
        let (inserted, calls) = trace::insertions(|| run(INSMOD, &[&path.to_string_lossy()]))?;
        inserted?.expect_code(0).with_context(|| format!("insmod, {suffix}"))?;
        ensure!(calls == [expected], "insmod, {suffix}: expected one {expected}, there were {calls:?}");
        modprobe(&["-r", MODULE])?;
    }
    Ok(())
}

/// The kernel's own decompressor does not read the file: that is why it must not be asked.
fn refused(path: &std::path::Path) -> Result<()> {
    const COMPRESSED_FILE: i32 = 4;
    let file = fs::File::open(path)?;
    match rustix::system::finit_module(&file, c"", COMPRESSED_FILE) {
        // Of several streams it reads the first, and finds a module that is cut off.
        Err(Errno::INVAL | Errno::NOEXEC) => Ok(()),
        other => anyhow::bail!("the kernel was expected to refuse the file itself: {other:?}"),
    }
}

fn own(world: &mut World) -> Result<()> {
    let is_packed = world.module_file("vfat")?.extension().is_some_and(|suffix| suffix == "xz");
    let (loaded, calls) = trace::insertions(|| modprobe(&["vfat"]))?;
    loaded?;
    let expected = if is_packed && !reads_xz() { "init_module" } else { "finit_module" };
    ensure!(calls == [expected; 2], "expected {expected} for fat and vfat, there were {calls:?}");
    world.expect_loaded(&["vfat", "fat"])
}
