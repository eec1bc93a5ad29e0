//! What modutils.d forbids comes in by no way, and what it denies the kernel users cannot pull in.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::expect_requests;
use super::hooks::configure;
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::kernel_log::Tail;
use crate::program::{self, modprobe, run};
use crate::stand_in;
use crate::world::{MODPROBE, World};

/// See the module.
pub const GROUP: Group = Group {
    ..Group::new(
        "forbid",
        &[
            Scenario::new("a-forbidden-module-comes-in-by-no-way", &["vfat", "minix"], every_way).ours_only(),
            Scenario::new("a-request-that-ends-at-a-forbidden-module-is-logged", &["vfat"], request)
                .ours_only(),
            Scenario::new(
                "an-unprivileged-user-gets-no-ciphers-where-they-are-denied",
                &["algif_hash"],
                ciphers,
            )
            .ours_only(),
            Scenario::new("an-exception-to-what-is-denied-is-answered", &["minix", "vfat"], exception)
                .ours_only(),
            Scenario::new("many-denials-are-counted-and-not-all-logged", &[], many_denials).ours_only(),
        ],
    )
};

fn every_way(world: &mut World) -> Result<()> {
    configure("forbid fat : no removable media\n")?;
    let file = world.module_file("fat")?;
    let path = file.to_str().context("a path that is text")?;
    std::fs::copy(&file, "/etc/modutils.d/harmless.ko")?;
    world.configure("a", "alias media fat\nsoftdep minix pre: fat\n")?;
    for (program, name) in [
        (MODPROBE, "fat"),
        (MODPROBE, "media"),
        (MODPROBE, "vfat"),
        (MODPROBE, path),
        (MODPROBE, "/etc/modutils.d/harmless.ko"),
        ("/sbin/insmod", path),
        ("/sbin/insmod", "/etc/modutils.d/harmless.ko"),
    ] {
        let ended = run(program, &[name])?;
        ended.expect_code(1).with_context(|| format!("{program} {name}"))?;
        let said = &ended.stderr;
        ensure!(said.contains("vm.conf line 1") && said.contains("no removable media"), "{name}: {said}");
        world.expect_absent(&["fat", "vfat"])?;
        if program == MODPROBE {
            run(program, &["-q", name])?.expect_code(1)?;
            run(program, &["-i", name])?.expect_code(1)?;
            run(program, &["-f", name])?.expect_code(1)?;
            world.expect_absent(&["fat", "vfat"])?;
        }
    }
    modprobe(&["minix"])?;
    world.expect_loaded(&["minix"])?;
    world.expect_absent(&["fat"])
}

fn request(world: &mut World) -> Result<()> {
    configure("forbid fat : no removable media\n")?;
    let mut log = Tail::new()?;
    let mounted = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    ensure!(mounted.is_err());
    world.expect_absent(&["fat", "vfat"])?;
    let records = log.records()?;
    let is_said = |text: &str| text.contains("vm.conf line 1") && text.contains("no removable media");
    ensure!(records.iter().any(|(_, text)| is_said(text)), "{records:?}");
    Ok(())
}

fn ciphers(world: &mut World) -> Result<()> {
    configure("deny-request net-pf-38 algif-*\n")?;
    let mut log = Tail::new()?;
    let asks = || -> Result<Option<i32>> {
        let mut command = Command::new("/init");
        command.arg0(stand_in::path(stand_in::ASKING_FOR_CIPHERS)?).uid(65534).gid(65534);
        Ok(program::wait(&mut command.spawn()?, super::PATIENCE)?.code())
    };
    let code = expect_requests(&["net-pf-38"], asks)??;
    ensure!(code == Some(1), "{code:?}");
    world.expect_absent(&["af_alg", "algif_hash"])?;
    let records = log.records()?;
    let denied = "request for 'net-pf-38' denied by /etc/modutils.d/vm.conf line 1";
    ensure!(records.iter().any(|(_, text)| text.contains(denied)), "{records:?}");
    // The administrator is not affected, and what is there is there for everybody.
    modprobe(&["af_alg"])?;
    let code = expect_requests(&[], asks)??;
    ensure!(code == Some(0), "{code:?}");
    Ok(())
}

fn exception(world: &mut World) -> Result<()> {
    configure("allow-request fs-minix\ndeny-request *\n")?;
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])?;
    let _ = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    world.expect_absent(&["vfat"])
}

fn many_denials(_: &mut World) -> Result<()> {
    configure("deny-request fs-none*\n")?;
    let mut log = Tail::new()?;
    for number in 0..30 {
        let _ = ask::file_system(&format!("none{number}"));
    }
    let records = log.records()?;
    let said = records.iter().filter(|(_, text)| text.contains("denied by")).count();
    // Ten in ten seconds, and the machine may be slow.
    ensure!((10..30).contains(&said), "{said} lines");
    Ok(())
}
