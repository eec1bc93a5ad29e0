//! The kernel needs a module and gets it: every family of requests, made by the system call that a program would
//! use, with the processes counted.

mod asked;
mod surroundings;

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result, ensure};
use rustix::net::SocketType;

use super::{check_requests, expect_requests};
use crate::ask::{self, family};
use crate::catalog::{Group, Scenario};
use crate::world::{WORK, World};
use crate::{netlink, stand_in, trace};

/// See the module.
pub const GROUP: Group = Group::new(
    "autoload",
    &[
        Scenario::new("the-counter-notices-a-modprobe-that-recurses", &[], counter_notices_recursion),
        Scenario::new("mount-loads-a-file-system", &["minix"], mount_loads),
        Scenario::new("mount-loads-a-file-system-with-its-dependencies", &["vfat"], mount_loads_dependencies),
        Scenario::new("mount-of-an-unknown-type-fails-after-one-modprobe", &[], mount_unknown),
        Scenario::new("socket-loads-a-family-and-its-protocol", &["can", "can-raw"], socket_family),
        Scenario::new("socket-of-an-unknown-family-fails-after-one-modprobe", &[], socket_unknown),
        Scenario::new("socket-falls-back-to-the-protocol-without-type", &["l2tp_ip"], socket_fallback),
        Scenario::new("netlink-socket-loads-its-protocol", &["nfnetlink"], netlink_protocol),
        Scenario::new("generic-netlink-loads-a-family", &["wireguard"], generic_netlink),
        Scenario::new("crypto-socket-loads-an-algorithm", &["algif_hash", "rmd160"], crypto),
        Scenario::new("unknown-algorithm-is-asked-for-twice", &["algif_hash"], crypto_unknown),
        Scenario::new("new-link-loads-dummy", &["dummy"], link_dummy),
        Scenario::new("new-link-loads-bridge-with-its-dependencies", &["bridge"], link_bridge),
        Scenario::new("misc-device-loads-its-driver", &["uinput"], misc_device),
        Scenario::new("character-device-loads-its-driver", &["ppp_generic"], character_device),
        Scenario::new("character-device-falls-back-to-its-major", &[], character_fallback),
        Scenario::new("block-device-loads-its-driver", &["loop"], block_device),
        Scenario::new("block-device-falls-back-to-its-major", &[], block_fallback),
        Scenario::new("junk-asks-for-a-binary-format-once", &[], binary_format),
        Scenario::new("a-configured-alias-gives-the-binary-format", &["minix"], binary_format_alias),
        Scenario::new("interface-falls-back-to-the-plain-name", &["dummy"], interface_fallback),
        Scenario::new("congestion-control-is-loaded", &["tcp_vegas"], congestion_control),
        Scenario::new("a-configured-alias-answers-a-request", &["minix"], configured_alias),
        Scenario::new("a-blacklisted-alias-loads-nothing", &["can"], blacklisted_alias),
        Scenario::new("an-install-command-answers-a-request", &["minix"], install_command),
        Scenario::new("options-reach-a-module-that-the-kernel-asked-for", &["dummy"], options),
        Scenario::new("a-request-in-the-form-of-linux-2-4-is-answered", &["minix"], linux_2_4).ours_only(),
        Scenario::new("a-requested-name-is-never-an-option", &["dummy"], name_like_an_option),
        Scenario::new("a-requested-name-is-never-a-path", &["dummy"], name_like_a_path).ours_only(),
        Scenario::new("a-requested-name-is-never-a-parameter", &["dummy"], name_like_a_parameter).ours_only(),
        Scenario::new("options-in-the-environment-mean-nothing", &["minix"], surroundings::options_variable)
            .ours_only(),
        Scenario::new("without-dev-null-a-request-is-answered", &["minix"], surroundings::without_null),
        Scenario::new("without-proc-a-request-is-answered", &["minix"], surroundings::without_proc),
        Scenario::new("without-a-place-to-remember-nothing-is-said", &["minix"], surroundings::without_run),
        Scenario::new("a-request-says-nothing-in-the-kernels-log", &["minix"], surroundings::silence)
            .ours_only(),
        Scenario::new("an-install-command-gets-descriptors-and-a-path", &["minix"], surroundings::command)
            .ours_only(),
        Scenario::new("who-asked-is-logged", &["minix"], asked::one).ours_only(),
        Scenario::new("who-asked-among-several-is-said-to-be-unknown", &["minix"], asked::several)
            .ours_only(),
        Scenario::new("who-asked-without-proc-is-said-to-be-unknown", &[], asked::hidden).ours_only(),
    ],
);

fn counter_notices_recursion(world: &mut World) -> Result<()> {
    world.kernel_starts(&stand_in::path(stand_in::RECURSING)?)?;
    let (_, seen) = trace::watch(|| ask::socket(family::ABSENT, SocketType::RAW, 0))?;
    ensure!(seen.requests == ["net-pf-28", "net-pf-27"], "{seen:?}");
    ensure!(seen.modprobes == 2, "{seen:?}");
    Ok(())
}

fn mount_loads(world: &mut World) -> Result<()> {
    // A block file system without a device: the mount fails, but only after the type was found.
    let mounted = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    ensure!(mounted.is_err());
    ensure!(ask::knows_file_system("minix")?, "the kernel does not know minix: {mounted:?}");
    world.expect_loaded(&["minix"])?;
    // Now that it is known nobody is asked again.
    expect_requests(&[], || ask::file_system("minix")).map(drop)
}

fn mount_loads_dependencies(world: &mut World) -> Result<()> {
    let _ = expect_requests(&["fs-vfat"], || ask::file_system("vfat"))?;
    world.expect_loaded(&["vfat", "fat"])
}

fn mount_unknown(_: &mut World) -> Result<()> {
    let mounted = expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?;
    ensure!(mounted.as_ref().is_err_and(|error| error.raw_os_error() == Some(19)), "{mounted:?}");
    Ok(())
}

fn socket_family(world: &mut World) -> Result<()> {
    let names = ["net-pf-29", "can-proto-1"];
    expect_requests(&names, || ask::socket(family::CAN, SocketType::RAW, 1))?.context("the socket")?;
    world.expect_loaded(&["can", "can_raw"])
}

fn socket_unknown(_: &mut World) -> Result<()> {
    let opened = expect_requests(&["net-pf-28"], || ask::socket(family::ABSENT, SocketType::RAW, 0))?;
    ensure!(opened.is_err());
    Ok(())
}

fn socket_fallback(world: &mut World) -> Result<()> {
    // The module has an alias for its own socket type and one without: only a failure makes the kernel try that.
    let names = ["net-pf-2-proto-115-type-5", "net-pf-2-proto-115"];
    let opened = expect_requests(&names, || ask::socket(2, SocketType::SEQPACKET, 115))?;
    ensure!(opened.is_err(), "the family has no such type");
    world.expect_loaded(&["l2tp_ip", "l2tp_core", "udp_tunnel", "ip6_udp_tunnel"])
}

fn netlink_protocol(world: &mut World) -> Result<()> {
    let names = ["net-pf-16-proto-12"];
    expect_requests(&names, || ask::socket(16, SocketType::RAW, 12))?.context("the socket")?;
    world.expect_loaded(&["nfnetlink"])
}

fn generic_netlink(world: &mut World) -> Result<()> {
    let names = ["net-pf-16-proto-16-family-wireguard"];
    expect_requests(&names, || netlink::generic_family("wireguard"))?.context("the family")?;
    world.expect_loaded(&["wireguard", "udp_tunnel", "ip6_udp_tunnel"])
}

fn crypto(world: &mut World) -> Result<()> {
    // The kernel asks for the second name of an algorithm whether or not the first one brought it.
    let names = ["net-pf-38", "algif-hash", "crypto-rmd160", "crypto-rmd160-all"];
    expect_requests(&names, || ask::crypto("hash", "rmd160"))?.context("the socket")?;
    world.expect_loaded(&["af_alg", "algif_hash", "rmd160"])
}

fn crypto_unknown(_: &mut World) -> Result<()> {
    let names = ["net-pf-38", "algif-hash", "crypto-nonesuch", "crypto-nonesuch-all"];
    let (bound, mut seen) = trace::watch(|| ask::crypto("hash", "nonesuch"))?;
    // Newer kernels ask for what is built into them, too.
    if seen.requests.pop_if(|name| name == "cryptomgr").is_some() {
        seen.modprobes = seen.modprobes.saturating_sub(1);
    }
    check_requests(&names, &seen)?;
    ensure!(bound.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound), "{bound:?}");
    Ok(())
}

fn link_dummy(world: &mut World) -> Result<()> {
    expect_requests(&["rtnl-link-dummy"], || netlink::create("dummy", "vm0"))?.context("the link")?;
    world.expect_loaded(&["dummy"])?;
    ask::interface("vm0").context("the interface")?;
    Ok(())
}

fn link_bridge(world: &mut World) -> Result<()> {
    expect_requests(&["rtnl-link-bridge"], || netlink::create("bridge", "vmbr0"))?.context("the link")?;
    world.expect_loaded(&["bridge", "stp", "llc"])
}

fn misc_device(world: &mut World) -> Result<()> {
    expect_requests(&["char-major-10-223"], || ask::character_device(10, 223))?.context("the device")?;
    world.expect_loaded(&["uinput"])
}

fn character_device(world: &mut World) -> Result<()> {
    expect_requests(&["char-major-108-0"], || ask::character_device(108, 0))?.context("the device")?;
    world.expect_loaded(&["ppp_generic", "slhc"])
}

fn character_fallback(_: &mut World) -> Result<()> {
    let names = ["char-major-60-1", "char-major-60"];
    ensure!(expect_requests(&names, || ask::character_device(60, 1))?.is_err());
    Ok(())
}

fn block_device(world: &mut World) -> Result<()> {
    // Whether a loop device of that number exists then is the driver's business.
    let _ = expect_requests(&["block-major-7-0"], || ask::block_device(7, 0))?;
    world.expect_loaded(&["loop"])
}

fn block_fallback(_: &mut World) -> Result<()> {
    let names = ["block-major-60-1", "block-major-60"];
    ensure!(expect_requests(&names, || ask::block_device(60, 1))?.is_err());
    Ok(())
}

fn binary_format(_: &mut World) -> Result<()> {
    let ran = expect_requests(&["binfmt-0403"], || ask::execute(&[1, 2, 3, 4, 5, 6, 7, 8]))?;
    ensure!(ran.as_ref().is_err_and(|error| error.raw_os_error() == Some(8)), "{ran:?}");
    Ok(())
}

fn binary_format_alias(world: &mut World) -> Result<()> {
    world.configure("binfmt", "alias binfmt-0403 minix\n")?;
    let _ = expect_requests(&["binfmt-0403"], || ask::execute(&[1, 2, 3, 4, 5, 6, 7, 8]))?;
    world.expect_loaded(&["minix"])
}

fn interface_fallback(world: &mut World) -> Result<()> {
    let index = expect_requests(&["netdev-dummy", "dummy"], || ask::interface("dummy"))?;
    ensure!(index.is_err(), "no interface has the name of the driver, yet: {index:?}");
    world.expect_loaded(&["dummy"])
}

fn congestion_control(world: &mut World) -> Result<()> {
    expect_requests(&["tcp_vegas"], || ask::congestion_control("vegas"))?.context("the socket option")?;
    world.expect_loaded(&["tcp_vegas"])
}

fn configured_alias(world: &mut World) -> Result<()> {
    world.configure("alias", "alias net-pf-28 minix\n")?;
    let _ = expect_requests(&["net-pf-28"], || ask::socket(family::ABSENT, SocketType::RAW, 0))?;
    world.expect_loaded(&["minix"])
}

fn blacklisted_alias(world: &mut World) -> Result<()> {
    world.configure("blacklist", "blacklist can\n")?;
    let opened = expect_requests(&["net-pf-29"], || ask::socket(family::CAN, SocketType::RAW, 1))?;
    ensure!(opened.is_err());
    world.expect_absent(&["can"])
}

fn install_command(world: &mut World) -> Result<()> {
    let proof = format!("{WORK}/install-command-ran");
    world.configure(
        "install",
        &format!("install minix echo \"$MODPROBE_MODULE\" >{proof}; exec /sbin/modprobe -i minix\n"),
    )?;
    let (_, seen) = trace::watch(|| ask::file_system("minix"))?;
    ensure!(seen.requests == ["fs-minix"], "{seen:?}");
    ensure!(seen.modprobes == 2, "one by the kernel and one by the command, but {seen:?}");
    world.expect_loaded(&["minix"])?;
    let said = fs::read_to_string(&proof).context("the command did not run")?;
    ensure!(said == "minix\n", "the command saw MODPROBE_MODULE={said:?}");
    Ok(())
}

fn options(world: &mut World) -> Result<()> {
    world.configure("options", "options dummy numdummies=3\n")?;
    expect_requests(&["rtnl-link-dummy"], || netlink::create("dummy", "vm0"))?.context("the link")?;
    for name in ["dummy0", "dummy1", "dummy2", "vm0"] {
        ask::interface(name).with_context(|| format!("the interface {name}"))?;
    }
    Ok(())
}

fn linux_2_4(world: &mut World) -> Result<()> {
    world.kernel_starts(&stand_in::path(stand_in::LINUX_2_4)?)?;
    let _ = expect_requests(&["fs-minix"], || ask::file_system("minix"))?;
    world.expect_loaded(&["minix"])
}

fn name_like_an_option(world: &mut World) -> Result<()> {
    crate::program::modprobe(&["dummy"])?;
    let _ = expect_requests(&["netdev--rdummy", "-rdummy"], || ask::interface("-rdummy"))?;
    world.expect_loaded(&["dummy"])
}

fn name_like_a_path(world: &mut World) -> Result<()> {
    fs::write("/run/d.ko", world.module("dummy")?)?;
    for path in ["/run/d.ko", "./run/d.ko", "../run/d.ko", "."] {
        let names = [format!("netdev-{path}"), path.to_owned()];
        let _ = expect_requests(&names.each_ref().map(String::as_str), || ask::interface(path))?;
        world.expect_absent(&["dummy", "d"]).with_context(|| path.to_owned())?;
    }
    fs::remove_file("/run/d.ko")?;
    Ok(())
}

fn name_like_a_parameter(world: &mut World) -> Result<()> {
    world.configure("alias", "alias *=* dummy\n")?;
    for name in ["dummy=1", "=", "x=y"] {
        let names = [format!("netdev-{name}"), name.to_owned()];
        let _ = expect_requests(&names.each_ref().map(String::as_str), || ask::interface(name))?;
        world.expect_absent(&["dummy"]).with_context(|| name.to_owned())?;
    }
    Ok(())
}
