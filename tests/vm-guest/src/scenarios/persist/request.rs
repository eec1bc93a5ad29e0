//! Values that the kernel does not take, and those that it must not be given while it waits.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{ALPHA, BETA, CONTROL, LINES, SAVED, configure, quietly, save_as, with_warning};
use crate::ask;
use crate::kernel_log::Tail;
use crate::program::{modprobe, rmmod};
use crate::scenarios::expect_requests;
use crate::world::{PROC, World};

/// Puts the default congestion control back, which keeps its module loaded.
struct Default(String);

impl Drop for Default {
    fn drop(&mut self) {
        // What fails here is noticed by the init, which cannot remove the module.
        let _ = CONTROL.set(&self.0);
    }
}

pub(super) fn other(world: &mut World) -> Result<()> {
    let _default = Default(CONTROL.read()?);
    configure("persist tcp_vegas\npersist tcp_vegas sysctl net/ipv4/tcp_congestion_control\n")?;
    let text = "sysctl/net/ipv4/tcp_congestion_control = westwood\nparameters/alpha = 5\n";
    let file = save_as(text.as_bytes())?;
    let before = CONTROL.read()?;
    let mut log = Tail::new()?;
    expect_requests(&["tcp_vegas"], || ask::congestion_control("vegas"))?.context("the socket")?;
    world.expect_absent(&["tcp_westwood"])?;
    CONTROL.expect(&before)?;
    ALPHA.expect("5").context("what needs no module")?;
    let records: Vec<String> = log.records()?.into_iter().map(|(_, text)| text).collect();
    let told: Vec<_> = records.iter().filter(|text| text.contains("settings of tcp_vegas")).collect();
    ensure!(told.len() == 1 && told.iter().all(|text| text.contains("congestion_control")), "{records:?}");
    quietly(rmmod(&["tcp_vegas"])?)?;
    ensure!(fs::read_to_string(file)? == text, "it is saved no more");
    quietly(modprobe(&["tcp_vegas"])?)?;
    CONTROL.expect("westwood").context("loaded by name")?;
    world.expect_loaded(&["tcp_westwood"])
}

pub(super) fn bounds(_: &mut World) -> Result<()> {
    configure("persist sunrpc sysctl sunrpc/m*_resvport\n")?;
    // In the order in which they are saved, which is that of their names; the default minimum is 665.
    let text = "sysctl/sunrpc/max_resvport = 300\nsysctl/sunrpc/min_resvport = 100\n";
    fs::create_dir_all(SAVED)?;
    fs::write(Path::new(SAVED).join("sunrpc"), text)?;
    quietly(modprobe(&["sunrpc"])?)?;
    for (name, value) in [("max_resvport", "300"), ("min_resvport", "100")] {
        let found = fs::read_to_string(Path::new(PROC).join("sys/sunrpc").join(name))?;
        ensure!(found.trim_end() == value, "{name} is {found}");
    }
    Ok(())
}

pub(super) fn refused(world: &mut World) -> Result<()> {
    configure(LINES)?;
    save_as(b"parameters/alpha = many\nparameters/beta = 9\n")?;
    let said = with_warning(&["tcp_vegas"])?;
    let expected = "modprobe: WARNING: settings of tcp_vegas: /var/lib/modutils/settings/tcp_vegas: the kernel refused \
                    parameters/alpha: Invalid argument; correct the line, or remove it\n";
    ensure!(said == expected, "{said}");
    world.expect_loaded(&["tcp_vegas"])?;
    BETA.expect("9")?;
    quietly(rmmod(&["tcp_vegas"])?)?;
    let mut log = Tail::new()?;
    ask::congestion_control("vegas").context("the socket")?;
    BETA.expect("9")?;
    let told = log.records()?.iter().filter(|(_, text)| text.contains("refused parameters/alpha")).count();
    ensure!(told == 1, "told {told} times in a request");
    Ok(())
}
