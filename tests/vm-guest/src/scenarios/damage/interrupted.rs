//! A depmod that was killed while it replaced the files of the database.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::ask;
use crate::kernel_log::Tail;
use crate::program::{depmod, modprobe, run};
use crate::scenarios::expect_requests;
use crate::world::{MODPROBE, World};

/// What depmod leaves in the module directory as long as it replaces files there.
fn mark(world: &World) -> PathBuf {
    world.database(".depmod-running")
}

/// Kills depmod while its mark is there, whatever it has replaced by then.
fn kill_in_the_middle(world: &World) -> Result<()> {
    let mark = mark(world);
    for _ in 0..200 {
        let mut depmod = Command::new("/sbin/depmod").arg("-a").spawn()?;
        while !mark.exists() && depmod.try_wait()?.is_none() {
            // Who slept comes before who computed, on the one processor that there is.
            sleep(Duration::from_micros(50));
        }
        depmod.kill()?;
        depmod.wait()?;
        if mark.exists() {
            return Ok(());
        }
    }
    bail!("depmod was never killed while it replaced files")
}

pub(super) fn killed(world: &mut World) -> Result<()> {
    kill_in_the_middle(world)?;
    let advice =
        format!("depmod was interrupted in {}, where files are old and new", world.modules_dir().display());
    let ended = run(MODPROBE, &["nonesuch"])?;
    ended.expect_code(1)?;
    ensure!(ended.stderr.contains(&advice) && ended.stderr.contains("run depmod"), "{ended:?}");
    // Who finds what was asked for has nothing to complain about.
    let found = modprobe(&["minix"])?;
    ensure!(found.stderr.is_empty(), "{found:?}");
    let mut log = Tail::new()?;
    for _ in 0..2 {
        ensure!(expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?.is_err());
    }
    let told = log.records()?.iter().filter(|(_, text)| text.contains(&advice)).count();
    ensure!(told == 1, "expected one record, there are {told}");
    // The question of a boot script, which is the remedy as well.
    depmod(&["-A"]).context("depmod -A")?;
    ensure!(!mark(world).exists(), "the mark is still there");
    depmod(&["-a", "--check"]).context("the database is not whole")?;
    let ended = run(MODPROBE, &["nonesuch"])?;
    ended.expect_code(1)?;
    ensure!(!ended.stderr.contains("interrupted"), "{ended:?}");
    Ok(())
}
