//! Sets the priority of an algorithm, by the netlink protocol of the kernel's ciphers.

use std::io;

use rustix::net::netlink::CRYPTO;

use crate::netlink::{attribute, tell_through};

const UPDATE_ALGORITHM: u16 = 0x12;
const PRIORITY: u16 = 1;

/// Gives an algorithm of a driver another priority: `net-pf-16-proto-21`.
///
/// # Errors
/// What the kernel answers.
pub fn set_priority(algorithm: &str, driver: &str, priority: u32) -> io::Result<()> {
    let mut body = Vec::new();
    for name in [algorithm, driver, ""] {
        let end = body.len() + 64;
        body.extend(name.as_bytes());
        body.resize(end, 0);
    }
    // Type, mask, references, flags.
    body.extend([0; 16]);
    body.extend(attribute(PRIORITY, &priority.to_ne_bytes()));
    tell_through(CRYPTO, UPDATE_ALGORITHM, 0, &body)
}
