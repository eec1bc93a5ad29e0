//! Settings files that are damaged or hostile, and places that cannot be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use super::{ALPHA, BETA, LINES, MOST, SAVED, by_name, configure, quietly, save_as, saved, with_warning};
use crate::program::{modprobe, rmmod};
use crate::world::{PROC, SYS, WORK, World};

/// Where all that outlives a boot is.
const PLACE: &str = "/var/lib/modutils";

pub(super) fn hostile(_: &mut World) -> Result<()> {
    configure("persist tcp_vegas parameters alpha\npersist nf_conntrack\n")?;
    by_name()?;
    let printed = || fs::read_to_string(Path::new(PROC).join("sys/kernel/printk_ratelimit"));
    let (rate, accounting, beta) = (printed()?, super::ACCOUNTING.read()?, BETA.read()?);
    quietly(rmmod(&["tcp_vegas"])?)?;
    save_as(
        b"parameters/../../nf_conntrack/parameters/acct = 1\n\
          parameters/..//nf_conntrack/parameters/acct = 1\n\
          sysctl/../sys/kernel/printk_ratelimit = 77\n\
          sysctl//kernel/printk_ratelimit = 77\n\
          sysctl/kernel/./printk_ratelimit = 77\n\
          /proc/sys/kernel/printk_ratelimit = 77\n\
          sysctl/kernel/printk_ratelimit = 77\n\
          parameters/beta = 77\n\
          nf_conntrack/acct = 1\n\
          parameters/alpha = 5\n",
    )?;
    let said = with_warning(&["tcp_vegas"])?;
    ensure!(said.lines().count() == 9, "a warning for each bad line, not {said}");
    ALPHA.expect("5").context("the only line that counts")?;
    ensure!(printed()? == rate, "a sysctl was set");
    super::ACCOUNTING.expect(&accounting)?;
    BETA.expect(&beta)?;
    // A line that allows it does not make a link a file.
    configure("persist tcp_vegas sysctl fs/*\n")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    save_as(b"sysctl/fs/../kernel/printk_ratelimit = 77\n")?;
    with_warning(&["tcp_vegas"])?;
    ensure!(printed()? == rate, "a sysctl was set");
    Ok(())
}

/// Loads tcp_vegas with a warning about its file, and none of its settings.
fn is_ignored(what: &str) -> Result<()> {
    let said = with_warning(&["tcp_vegas"]).with_context(|| what.to_owned())?;
    ensure!(said.lines().count() == 1 && said.contains("ignored"), "{what}: {said}");
    ensure!(ALPHA.read()? != "5", "{what}: a value was put back");
    ALPHA.set("6")?;
    let before = fs::symlink_metadata(Path::new(SAVED).join("tcp_vegas"))?;
    with_warning(&["-r", "tcp_vegas"]).with_context(|| what.to_owned())?;
    let after = fs::symlink_metadata(Path::new(SAVED).join("tcp_vegas"))?;
    ensure!(before.modified()? == after.modified()?, "{what}: it was replaced");
    Ok(())
}

pub(super) fn untrusted(_: &mut World) -> Result<()> {
    configure(LINES)?;
    let path = save_as(b"parameters/alpha = 5\n")?;
    for mode in [0o666, 0o620, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        is_ignored(&format!("permissions {mode:o}"))?;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    chown(&path, Some(1000), None)?;
    is_ignored("another owner")?;
    chown(&path, Some(0), None)?;
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.expect("5").context("put right again")
}

pub(super) fn no_file(_: &mut World) -> Result<()> {
    configure(LINES)?;
    let path = save_as(b"")?;
    let elsewhere = format!("{WORK}/elsewhere");
    fs::write(&elsewhere, "parameters/alpha = 5\n")?;
    fs::remove_file(&path)?;
    symlink(&elsewhere, &path)?;
    is_ignored("a link")?;
    fs::remove_file(&path)?;
    symlink(&path, &path)?;
    is_ignored("a link to itself")?;
    fs::remove_file(&path)?;
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    is_ignored("a fifo")?;
    fs::remove_file(&path)?;
    fs::create_dir(&path)?;
    is_ignored("a directory")?;
    ensure!(fs::read_to_string(elsewhere)? == "parameters/alpha = 5\n", "the link was followed");
    Ok(())
}

pub(super) fn damaged(_: &mut World) -> Result<()> {
    configure(LINES)?;
    let damaged =
        b"parameters/alpha = 5\nparameters/be\0\xff\xfe = \x01\n\n\n=\nparameters/beta = 8 ".to_vec();
    save_as(&damaged)?;
    let said = with_warning(&["tcp_vegas"])?;
    ensure!(said.lines().count() == 2, "{said}");
    ALPHA.expect("5")?;
    BETA.expect("8")?;
    ALPHA.set("6")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    let text = fs::read(Path::new(SAVED).join("tcp_vegas"))?;
    let garbage = b"parameters/be\0\xff\xfe = \x01\n\n\n=\n";
    ensure!(text.windows(garbage.len()).any(|part| part == garbage), "what was not understood is gone");
    ensure!(text.windows(20).any(|part| part == b"parameters/alpha = 6"), "the new value was not saved");
    save_as(&vec![b'x'; 3 << 20])?;
    let said = with_warning(&["tcp_vegas"])?;
    ensure!(said.lines().count() == 1 && said.contains("cannot be read"), "too long: {said}");
    Ok(())
}

pub(super) fn read_only(_: &mut World) -> Result<()> {
    configure(LINES)?;
    let text = "parameters/alpha = 5\n";
    let path = save_as(text.as_bytes())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.expect("5")?;
    ALPHA.set("6")?;
    let said = with_warning(&["-r", "tcp_vegas"])?;
    ensure!(said.contains("it is read-only"), "{said}");
    ensure!(fs::read_to_string(&path)? == text, "a read-only file was changed");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    mount_bind(PLACE, PLACE)?;
    mount_remount(PLACE, MountFlags::BIND | MountFlags::RDONLY, "")?;
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.expect("5")?;
    ALPHA.set("6")?;
    let said = with_warning(&["-r", "tcp_vegas"])?;
    ensure!(said.contains("Read-only file system"), "{said}");
    ensure!(!Path::new(SYS).join("module/tcp_vegas").exists(), "it is still loaded");
    ensure!(fs::read_to_string(&path)? == text);
    // Without a place in /run nothing can be saved, and what is saved is put back all the same.
    fs::create_dir_all("/run/modutils")?;
    mount_bind("/run/modutils", "/run/modutils")?;
    mount_remount("/run/modutils", MountFlags::BIND | MountFlags::RDONLY, "")?;
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.expect("5")?;
    let said = with_warning(&["-r", "tcp_vegas"])?;
    ensure!(said.contains("right after the load are not known"), "{said}");
    Ok(())
}

pub(super) fn full(_: &mut World) -> Result<()> {
    configure(LINES)?;
    fs::create_dir_all(PLACE)?;
    mount("tmpfs", PLACE, "tmpfs", MountFlags::empty(), Some(c"size=64k,mode=755"))?;
    save_as(b"parameters/alpha = 5\n")?;
    let filling = Path::new(PLACE).join("filling");
    let failed = fs::write(&filling, vec![0; 1 << 20]);
    ensure!(failed.is_err(), "it takes more than it should");
    for unload in [(|| modprobe(&["-r", "tcp_vegas"])) as fn() -> Result<crate::program::Ended>, || {
        rmmod(&["tcp_vegas"])
    }] {
        quietly(modprobe(&["-a", "tcp_vegas", "nf_conntrack"])?)?;
        ALPHA.expect("5")?;
        ALPHA.set("6")?;
        let ended = unload()?;
        ended.expect_code(0)?;
        ensure!(ended.stderr.lines().count() == 1, "{ended:?}");
        ensure!(ended.stderr.contains("cannot be written and is as it was: No space left"), "{ended:?}");
        ensure!(saved("tcp_vegas")? == ["parameters/alpha = 5"], "{:?}", saved("tcp_vegas")?);
        ensure!(fs::read_dir(SAVED)?.count() == 1, "something was left behind");
    }
    fs::remove_file(filling)?;
    quietly(modprobe(&["tcp_vegas"])?)?;
    ALPHA.set("6")?;
    MOST.read()?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    ensure!(saved("tcp_vegas")? == ["parameters/alpha = 6"], "with room again");
    Ok(())
}
