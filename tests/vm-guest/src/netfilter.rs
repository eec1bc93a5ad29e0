//! Sets and rules of netfilter, by its netlink protocol: an empty set of a type, and a rule with one match of
//! x_tables in a chain that no packet meets.

use std::io;

use rustix::net::netlink::NETFILTER;

use crate::netlink::{self, CREATE, attribute, nested, tell_through, terminated};

const SETS: u16 = 6 << 8;
const TABLES: u16 = 10 << 8;
const BEGIN: u16 = 16;
const END: u16 = 17;
/// Families, as packets have them.
pub const INET: u8 = 2;
/// See [`INET`].
pub const INET6: u8 = 10;
const NAME: &str = "vm";

/// Makes an empty set of a type: `net-pf-16-proto-12`, `nfnetlink-subsys-6`, `ip_set_TYPE`.
///
/// # Errors
/// What the kernel answers.
pub fn add_set(kind: &str) -> io::Result<()> {
    let body = [
        head(INET, 0),
        attribute(1, &[7]),
        attribute(2, &terminated(NAME)),
        attribute(3, &terminated(kind)),
        attribute(4, &[0]),
        attribute(5, &[INET]),
        nested(7, &[]),
    ];
    tell_through(NETFILTER, SETS | 2, CREATE, &body.concat())
}

/// Destroys the set.
///
/// # Errors
/// What the kernel answers.
pub fn delete_set() -> io::Result<()> {
    let body = [head(INET, 0), attribute(1, &[7]), attribute(2, &terminated(NAME))];
    tell_through(NETFILTER, SETS | 3, 0, &body.concat())
}

/// A match of x_tables: its name, the protocol that it is for, or 0, and its data.
#[derive(Clone, Copy)]
pub struct Match<'a> {
    /// The family of its packets.
    pub family: u8,
    /// Its name.
    pub name: &'a str,
    /// The protocol that it is for, or 0.
    pub protocol: u32,
    /// What it compares with.
    pub data: &'a [u8],
}

/// Makes a table and a chain with a rule that has this match: `nft-expr-match`, and `ipt_NAME` or `ip6t_NAME`.
///
/// # Errors
/// What the kernel answers.
pub fn add_rule(found: Match<'_>) -> io::Result<()> {
    let matched =
        [attribute(1, &terminated(found.name)), attribute(2, &0_u32.to_be_bytes()), attribute(3, found.data)];
    let expression = [attribute(1, b"match\0"), nested(2, &matched.concat())];
    let compatible = [attribute(1, &found.protocol.to_be_bytes()), attribute(2, &0_u32.to_be_bytes())];
    let rule = [
        attribute(1, &terminated(NAME)),
        attribute(2, &terminated(NAME)),
        nested(4, &nested(1, &expression.concat())),
        nested(5, &compatible.concat()),
    ];
    let chain = [attribute(1, &terminated(NAME)), attribute(3, &terminated(NAME))];
    change(&[
        (TABLES, [head(found.family, 0), attribute(1, &terminated(NAME))].concat()),
        (TABLES | 3, [head(found.family, 0), chain.concat()].concat()),
        (TABLES | 6, [head(found.family, 0), rule.concat()].concat()),
    ])
}

/// Deletes the table with all that is in it.
///
/// # Errors
/// What the kernel answers.
pub fn delete_rule(family: u8) -> io::Result<()> {
    change(&[(TABLES | 2, [head(family, 0), attribute(1, &terminated(NAME))].concat())])
}

/// Changes that are made together or not at all.
fn change(messages: &[(u16, Vec<u8>)]) -> io::Result<()> {
    let edge = |kind| netlink::message(kind, 0x1, &head(0, 10));
    let inner = messages.iter().map(|(kind, body)| netlink::message(*kind, 0x1 | 0x4 | 0x400, body));
    let all: Vec<u8> = std::iter::once(edge(BEGIN)).chain(inner).chain([edge(END)]).flatten().collect();
    netlink::send_all(NETFILTER, &all, messages.len())
}

/// Family, version, and the number of a resource.
fn head(family: u8, resource: u16) -> Vec<u8> {
    let [high, low] = resource.to_be_bytes();
    vec![family, 0, high, low]
}
