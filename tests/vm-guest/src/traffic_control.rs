//! Makes the kernel ask for modules of traffic control, by rtnetlink: queueing disciplines and actions, by kind.
//! No options are passed.

use std::io;

use crate::netlink::{CREATE, attribute, nested, tell, terminated};

const NEW_QDISC: u16 = 36;
const DELETE_QDISC: u16 = 37;
const NEW_FILTER: u16 = 44;
const NEW_ACTION: u16 = 48;
const DELETE_ACTION: u16 = 49;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const ACTIONS: u16 = 1;
const ACTION_INDEX: u16 = 3;
const GACT_PARAMETERS: u16 = 2;
/// The number of the one action here.
const INDEX: u32 = 7;
/// What an action does with a packet: drops it.
const DROP: u32 = 2;
/// The parent and the handle of the discipline that incoming packets meet.
const INGRESS: u32 = 0xffff_fff1;
const INGRESS_HANDLE: u32 = 0xffff_0000;
/// The first priority, for packets of all protocols, in the order of the network.
const ALL_FIRST: u32 = 1 << 16 | 0x0300;
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

/// Adds an action that drops packets, which no filter uses: `act_gact`.
///
/// # Errors
/// What the kernel answers.
pub fn add_drop() -> io::Result<()> {
    let parameters: Vec<u8> = [INDEX, 0, DROP, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    let action =
        [attribute(KIND, &terminated("gact")), nested(OPTIONS, &attribute(GACT_PARAMETERS, &parameters))];
    tell(NEW_ACTION, CREATE, &[vec![0; 4], attribute(ACTIONS, &attribute(1, &action.concat()))].concat())
}

/// Deletes it.
///
/// # Errors
/// What the kernel answers.
pub fn delete_drop() -> io::Result<()> {
    let action =
        [attribute(KIND, &terminated("gact")), attribute(ACTION_INDEX, &INDEX.to_ne_bytes())].concat();
    tell(DELETE_ACTION, 0, &[vec![0; 4], attribute(ACTIONS, &attribute(1, &action))].concat())
}

/// Gives an interface a place for filters of incoming packets: `sch_ingress`.
///
/// # Errors
/// What the kernel answers.
pub fn add_ingress(index: u32) -> io::Result<()> {
    let body = [fixed([index, INGRESS_HANDLE, INGRESS, 0]), attribute(KIND, &terminated("ingress"))];
    tell(NEW_QDISC, CREATE, &body.concat())
}

/// Takes it away with its filters.
///
/// # Errors
/// What the kernel answers.
pub fn delete_ingress(index: u32) -> io::Result<()> {
    tell(DELETE_QDISC, 0, &fixed([index, INGRESS_HANDLE, INGRESS, 0]))
}

/// Adds a filter for all incoming packets: `cls_KIND`.
///
/// # Errors
/// What the kernel answers.
pub fn add_filter(index: u32, kind: &str) -> io::Result<()> {
    let body = [
        fixed([index, 0, INGRESS_HANDLE, ALL_FIRST]),
        attribute(KIND, &terminated(kind)),
        nested(OPTIONS, &[]),
    ];
    tell(NEW_FILTER, CREATE, &body.concat())
}

/// The fixed part of a message about a discipline of an interface's own.
fn head(index: u32) -> Vec<u8> {
    fixed([index, 0, ROOT, 0])
}

/// The fixed part of a message: no family; then interface, handle, parent, information.
fn fixed(words: [u32; 4]) -> Vec<u8> {
    std::iter::once(0).chain(words).flat_map(u32::to_ne_bytes).collect()
}
