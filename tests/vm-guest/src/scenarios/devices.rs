//! `kmod devices` with devices of every usual bus: what it says is what the kernel has done.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::PATIENCE;
use crate::catalog::{Group, Scenario};
use crate::program::{modprobe, run};
use crate::world::World;

/// See the module.
pub const GROUP: Group = Group {
    devices: &[
        "-netdev",
        "user,id=net,restrict=on",
        "-device",
        "e1000,netdev=net,romfile=",
        "-device",
        "qemu-xhci",
        "-device",
        "usb-tablet",
        "-blockdev",
        "driver=null-co,node-name=ide,size=1048576,read-zeroes=on",
        "-device",
        "ide-hd,drive=ide",
    ],
    disk_mib: 16,
    ..Group::new(
        "devices",
        &[Scenario::new(
            "devices-of-every-bus-are-told-with-their-drivers",
            &["virtio_blk", "virtio_pci", "e1000", "xhci_pci", "usbhid", "ata_piix", "sd_mod"],
            devices,
        )
        .ours_only()],
    )
};

/// The alias of a device, what begins it being enough, and the module that drives it.
const DRIVEN: [(&str, &str); 6] = [
    ("pci:v00008086d0000100E", "e1000"),
    ("pci:v00008086d00007010", "ata_piix"),
    ("pci:v00001B36d0000000D", "xhci_pci"),
    ("virtio:d00000002v00001AF4", "virtio_blk"),
    ("usb:v0627p0001", "usbhid"),
    ("scsi:t-0x00", "sd_mod"),
];

fn table(options: &[&str]) -> Result<String> {
    let ended = run("/sbin/kmod", &[&["devices"], options].concat())?;
    ended.expect_code(0)?;
    ensure!(ended.stderr.is_empty(), "{ended:?}");
    Ok(ended.stdout)
}

/// The objects of the JSON form, a line each, of devices with an alias that begins so.
fn of_alias<'a>(json: &'a str, alias: &str) -> Option<&'a str> {
    json.lines().find(|line| line.contains(&format!("\"modalias\":\"{alias}")))
}

/// Waits until a device with an alias that begins so is there.
fn appears(alias: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while of_alias(&table(&["--json"])?, alias).is_none() {
        ensure!(Instant::now() < deadline, "no device {alias}");
    }
    Ok(())
}

fn devices(world: &mut World) -> Result<()> {
    // Nothing is loaded yet: what is there is named with what matches, and is missing.
    let before = table(&["--json", "--missing"])?;
    for (alias, module) in DRIVEN.into_iter().take(3) {
        let line = of_alias(&before, alias).with_context(|| format!("no {alias}: {before}"))?;
        ensure!(line.contains("\"driver\":null") && line.contains(&format!("\"{module}\"")), "{line}");
    }
    // A line of the configuration that keeps one out is told.
    world.configure("blacklist", "blacklist e1000\n")?;
    let plain = table(&[])?;
    ensure!(plain.lines().any(|line| line.contains("8086:100e") && line.contains("blacklist")), "{plain}");
    fs::remove_file("/etc/modprobe.d/blacklist.conf")?;
    for (alias, module) in DRIVEN {
        appears(alias)?;
        modprobe(&[module])?;
        if module == "virtio_blk" {
            modprobe(&["virtio_pci"])?;
        }
        // The bus appears by the driver of the bridge to it.
        if module == "xhci_pci" {
            modprobe(&["virtio_pci"])?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let after = table(&["--json"])?;
        let undriven: Vec<_> = DRIVEN
            .into_iter()
            .filter(|(alias, _)| of_alias(&after, alias).is_none_or(|line| line.contains("\"driver\":null")))
            .collect();
        if undriven.is_empty() {
            // As the kernel says it.
            for line in after.lines().filter(|line| line.contains("\"driver\":\"")) {
                let path = line.split('"').nth(3).context("no path")?;
                let driver = fs::read_link(Path::new(path).join("driver"))?;
                let name = driver.file_name().unwrap_or_default().to_string_lossy();
                ensure!(line.contains(&format!("\"driver\":\"{name}\"")), "{line}: {name}");
            }
            break;
        }
        ensure!(Instant::now() < deadline, "nothing drives {undriven:?}: {after}");
    }
    let missing = table(&["--missing"])?;
    for (_, module) in DRIVEN {
        ensure!(!missing.contains(module), "{module} is there: {missing}");
    }
    Ok(())
}
