//! Real-kernel scenarios: what runs inside the virtual machine.
//!
//! [`catalog`] lists the scenarios and [`report`] is how their results reach the host; the host's side uses
//! only these two. The rest is the guest: [`init`] is process 1 and starts each scenario as a process of its
//! own in a [`world`] that it has put in order; [`scenarios`] hold what is to be shown, with [`ask`] to make
//! the kernel request modules, [`trace`] to count what it started and [`program`] to call tools by hand.
//! Networks are made by [`netlink`], [`traffic_control`], [`netfilter`], [`ipsec`] and [`wireguard`], with a
//! [`neighbour`] at the other end; disks by [`mapper`].
//!
//! The guest observes through mounts of its own below `/vm`, so that `/proc`, `/sys`, `/dev` and `/run` can be
//! whatever a scenario wants the tools to find.

pub mod ask;
pub mod catalog;
pub mod crypto;
pub mod init;
pub mod ipsec;
pub mod kernel_log;
pub mod mapper;
pub mod neighbour;
pub mod netfilter;
pub mod netlink;
pub mod program;
pub mod report;
pub mod scenarios;
pub mod signature;
pub mod slow;
pub mod stand_in;
pub mod trace;
pub mod traffic_control;
pub mod wireguard;
pub mod world;

use std::process::ExitCode;

/// Runs in the role that the name says under which it was started: the init, or one of the [`stand_in`]s.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    stand_in::run(&name, &arguments).unwrap_or_else(|| init::main(&arguments))
}
