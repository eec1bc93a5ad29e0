//! Makes the kernel ask for modules of traffic control, by rtnetlink: queueing disciplines and actions, by kind.
//! No options are passed.

use std::io;

use crate::netlink::{CREATE, attribute, tell, terminated};

const NEW_QDISC: u16 = 36;
const DELETE_QDISC: u16 = 37;
const NEW_ACTION: u16 = 48;
const KIND: u16 = 1;
const ACTIONS: u16 = 1;
/// The handle of what has no parent.
const ROOT: u32 = 0xffff_ffff;
/// The number of the loopback interface in every network namespace.
pub const LOOPBACK: u32 = 1;

/// Makes a queueing discipline of a kind the interface's own: `sch_KIND`.
///
/// # Errors
/// What the kernel answers.
pub fn add_root(index: u32, kind: &str) -> io::Result<()> {
    tell(NEW_QDISC, CREATE, &[head(index), attribute(KIND, &terminated(kind))].concat())
}

/// Gives the interface back the discipline that it had at first.
///
/// # Errors
/// What the kernel answers.
pub fn delete_root(index: u32) -> io::Result<()> {
    tell(DELETE_QDISC, 0, &head(index))
}

/// Adds an action without options: `act_KIND`.
///
/// # Errors
/// What the kernel answers; most kinds need options.
pub fn add_action(kind: &str) -> io::Result<()> {
    let action = attribute(1, &attribute(KIND, &terminated(kind)));
    tell(NEW_ACTION, CREATE, &[vec![0; 4], attribute(ACTIONS, &action)].concat())
}

/// The fixed part of a message about a discipline: family, interface, handle, parent, information.
fn head(index: u32) -> Vec<u8> {
    [0, index, 0, ROOT, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}
