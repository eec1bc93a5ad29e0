//! Helpers on demand: the kernel asks for what no module answers, and a command puts it in place.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};

use super::expect_requests;
use super::hooks::configure;
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::program::run;
use crate::world::{MODPROBE, World};
use crate::{stand_in, trace};

/// See the module.
pub const GROUP: Group = Group {
    ..Group::new(
        "on-request",
        &[
            Scenario::new("a-helper-puts-a-route-in-place-and-the-next-starts-nothing", &["dummy"], route)
                .ours_only(),
            Scenario::new("a-helper-that-asks-for-the-same-is-run-once", &[], recursion).ours_only(),
            Scenario::new("names-that-are-no-names-start-nothing", &[], unsafe_names).ours_only(),
            Scenario::new("a-module-that-answers-comes-before-a-helper", &["minix"], module_first)
                .ours_only(),
        ],
    )
};

const LOG: &str = "/etc/modutils.d/helped";

fn helped() -> Vec<String> {
    let text = fs::read_to_string(LOG).unwrap_or_default();
    let _ = fs::remove_file(LOG);
    text.lines().map(str::to_owned).collect()
}

/// A datagram to the network behind the route.
fn send() -> std::io::Result<usize> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"x", "10.9.0.1:9")
}

/// The example of modutils.d(5).
fn route(_: &mut World) -> Result<()> {
    let helper = stand_in::path(stand_in::PROVIDING_ROUTE)?;
    configure(&format!("on-request netdev-uplink* {helper}\n"))?;
    ensure!(send().is_err(), "there is a route already");
    // The helper makes the kernel ask for the kind of interface, which a module answers.
    let (index, seen) = trace::watch(|| ask::interface("uplink0"))?;
    index.context("the interface")?;
    ensure!(seen.requests == ["netdev-uplink0", "rtnl-link-dummy"], "{seen:?}");
    ensure!(seen.modprobes == 2 && seen.crashes.is_empty(), "{seen:?}");
    send().context("a datagram along the route")?;
    expect_requests(&[], || ask::interface("uplink0"))?.context("the interface, again")?;
    crate::netlink::delete("uplink0")?;
    Ok(())
}

fn recursion(_: &mut World) -> Result<()> {
    let asking = stand_in::path(stand_in::ASKING_FOR_INTERFACE)?;
    configure(&format!("on-request netdev-loop0 echo x >>{LOG}; {asking} loop0\n"))?;
    let (index, seen) = trace::watch(|| ask::interface("loop0"))?;
    ensure!(index.is_err());
    // Each failure makes the kernel try the plain name, which no line names.
    let expected = ["netdev-loop0", "netdev-loop0", "loop0", "loop0"];
    ensure!(seen.requests == expected && seen.modprobes == expected.len(), "{seen:?}");
    let helped = helped();
    ensure!(helped == ["x"], "{helped:?}");
    Ok(())
}

fn unsafe_names(_: &mut World) -> Result<()> {
    configure(&format!("on-request * echo \"$MODUTILS_REQUEST\" >>{LOG}; false\n"))?;
    for name in ["-r", "../x", "a=b"] {
        let _ = trace::watch(|| ask::interface(name))?;
    }
    let mut helped = helped();
    helped.sort();
    // The kernel asks for each with its kind before it, and then for the plain name, which starts nothing.
    ensure!(helped == ["netdev--r", "netdev-../x"], "{helped:?}");
    run(MODPROBE, &["-q", "--", "nonesuch"])?.expect_code(1)?;
    ensure!(!fs::exists(LOG)?, "a person is no kernel");
    Ok(())
}

fn module_first(world: &mut World) -> Result<()> {
    configure(&format!("on-request * echo x >>{LOG}\n"))?;
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])?;
    ensure!(helped().is_empty());
    Ok(())
}
