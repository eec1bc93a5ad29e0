//! Small programs that the guest's one binary plays under other names: what the kernel starts instead of
//! modprobe, and what starts modprobe in a state that a shell could not make.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::stdio::{stderr, stdin, stdout};

use crate::world::{MODPROBE, OWN};
use crate::{ask, netlink};

/// Starts the program in its first argument with descriptors 0, 1 and 2 closed.
pub const CLOSED: &str = "with-closed-descriptors";
/// Is started by the kernel in modprobe's place and becomes modprobe in the form of Linux 2.4.
pub const LINUX_2_4: &str = "as-linux-2.4";
/// The same with `-s` before the present form: a kernel whose modprobe logs to syslog.
pub const SYSLOG: &str = "as-syslog";
/// The present form with options in the environment, which nobody but the kernel's own caller put there.
pub const WITH_OPTIONS: &str = "as-with-options";
/// A modprobe that itself needs a socket family which is not there: the mistake that counting must find.
pub const RECURSING: &str = "modprobe";

/// A command of modutils.d that opens a socket of the family of CAN, and succeeds whatever comes of it.
pub const ASKING_FOR_CAN: &str = "ask-for-can";
/// Asks for the interface that is its argument; its status says whether there is one.
pub const ASKING_FOR_INTERFACE: &str = "ask-for-interface";
/// Opens a socket for the kernel's ciphers; its status says whether it could.
pub const ASKING_FOR_CIPHERS: &str = "ask-for-ciphers";
/// A helper on demand: makes the interface that the kernel asks for, and a route to 10.9.0.0/16 through it.
pub const PROVIDING_ROUTE: &str = "provide-route";

/// The path of a stand-in, made at first use.
///
/// # Errors
/// When the link cannot be made.
pub fn path(name: &str) -> Result<String> {
    let directory = format!("{OWN}/workbench/stand-in");
    std::fs::create_dir_all(&directory)?;
    let path = format!("{directory}/{name}");
    if !Path::new(&path).is_symlink() {
        symlink("/init", &path).with_context(|| format!("cannot make {path}"))?;
    }
    Ok(path)
}

/// Plays the part named by the last component of `name`, or gives `None` if it names none.
#[must_use]
pub fn run(name: &OsStr, arguments: &[OsString]) -> Option<ExitCode> {
    let request = arguments.last().cloned().unwrap_or_default();
    match Path::new(name).file_name()?.to_str()? {
        CLOSED => {
            let (program, rest) = arguments.split_first()?;
            Some(become_program(program, rest))
        }
        LINUX_2_4 => Some(become_program(MODPROBE.as_ref(), &words(&["-s", "-k", "--"], &request))),
        SYSLOG => Some(become_program(MODPROBE.as_ref(), &words(&["-s", "--"], &request))),
        WITH_OPTIONS => Some(become_modprobe_with_options(&request)),
        RECURSING => Some(recurse(&request)),
        ASKING_FOR_CAN => {
            let _ = ask::socket(ask::family::CAN, SocketType::RAW, 1);
            Some(ExitCode::SUCCESS)
        }
        ASKING_FOR_INTERFACE => Some(status(ask::interface(request.to_str()?).is_ok())),
        ASKING_FOR_CIPHERS => Some(status(ask::socket(38, SocketType::SEQPACKET, 0).is_ok())),
        PROVIDING_ROUTE => Some(status(provide_route().is_ok())),
        _ => None,
    }
}

fn words(options: &[&str], request: &OsStr) -> Vec<OsString> {
    options.iter().map(OsString::from).chain([request.to_owned()]).collect()
}

/// Becomes modprobe with options in its environment that would make it do nothing.
fn become_modprobe_with_options(request: &OsStr) -> ExitCode {
    let _ =
        Command::new(MODPROBE).args(["-q", "--"]).arg(request).env("MODPROBE_OPTIONS", "--dry-run").exec();
    ExitCode::from(127)
}

/// Becomes the program, which finds descriptors 0, 1 and 2 closed. Comes back only if that is impossible.
fn become_program(program: &OsStr, arguments: &[OsString]) -> ExitCode {
    if close_on_exec().is_err() {
        return ExitCode::from(126);
    }
    // The error has nowhere to go but the status: what would show it is closed.
    let _ = Command::new(program).args(arguments).exec();
    ExitCode::from(127)
}

fn close_on_exec() -> io::Result<()> {
    for descriptor in [stdin(), stdout(), stderr()] {
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    Ok(())
}

fn status(success: bool) -> ExitCode {
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the kernel asked for stands in a variable.
fn provide_route() -> Result<()> {
    let request = std::env::var("MODUTILS_REQUEST")?;
    let name = request.strip_prefix("netdev-").context("no interface is asked for")?;
    netlink::create("dummy", name)?;
    // It is there now, so this asks for nothing.
    let index = ask::interface(name)?;
    netlink::up(index)?;
    Ok(netlink::add_route(index)?)
}

/// Opens a socket of another absent family, once: the request for that one finds nothing to do.
fn recurse(request: &OsStr) -> ExitCode {
    if request == "net-pf-28" {
        let _ = socket(AddressFamily::from_raw(27), SocketType::RAW, None);
    }
    ExitCode::FAILURE
}
