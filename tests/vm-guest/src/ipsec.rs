//! Associations of IPsec, by the netlink protocol of xfrm: an authentication header between two addresses.

use std::io;

use rustix::net::netlink::XFRM;

use crate::netlink::{CREATE, attribute, tell_through};

const NEW_ASSOCIATION: u16 = 16;
const DELETE_ASSOCIATION: u16 = 17;
const AUTHENTICATION: u16 = 1;
const INET: u16 = 2;
/// The protocol of authentication headers.
const HEADER: u8 = 51;
/// The index of the association, which is what packets carry.
const INDEX: [u8; 4] = [0, 0, 0x10, 1];
const HERE: [u8; 4] = [10, 9, 0, 1];
const THERE: [u8; 4] = [10, 9, 0, 2];

/// Adds an association: `net-pf-16-proto-6`, `xfrm-type-2-51`, `crypto-NAME` and what that is made of.
///
/// # Errors
/// What the kernel answers.
pub fn add(algorithm: &str) -> io::Result<()> {
    let mut body = vec![0; 56];
    body.extend(destination());
    body.extend(address(HERE));
    // Four limits that are never reached, four of time, and what has been used so far.
    body.extend([0xff; 32]);
    body.extend([0; 32 + 32 + 12]);
    // A sequence, a number of requests.
    body.extend([0; 8]);
    body.extend(INET.to_ne_bytes());
    // Mode, window, flags, and filling.
    body.resize(224, 0);
    let mut method = algorithm.as_bytes().to_vec();
    method.resize(64, 0);
    method.extend(160_u32.to_ne_bytes());
    method.extend([7; 20]);
    body.extend(attribute(AUTHENTICATION, &method));
    tell_through(XFRM, NEW_ASSOCIATION, CREATE, &body)
}

/// Deletes it.
///
/// # Errors
/// What the kernel answers.
pub fn delete() -> io::Result<()> {
    let mut body = address(THERE).to_vec();
    body.extend(INDEX);
    body.extend(INET.to_ne_bytes());
    body.extend([HEADER, 0]);
    tell_through(XFRM, DELETE_ASSOCIATION, 0, &body)
}

/// An address in the room of the longest kind.
fn address(address: [u8; 4]) -> [u8; 16] {
    let mut room = [0; 16];
    room.iter_mut().zip(address).for_each(|(to, from)| *to = from);
    room
}

/// To where, by which index, in which protocol.
fn destination() -> Vec<u8> {
    let mut bytes = address(THERE).to_vec();
    bytes.extend(INDEX);
    bytes.extend([HEADER, 0, 0, 0]);
    bytes
}
