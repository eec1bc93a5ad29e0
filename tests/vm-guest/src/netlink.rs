//! Makes and removes network interfaces by rtnetlink, and asks for families of generic netlink: as much of the
//! protocol as that takes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const LOCAL_ADDRESS: u16 = 2;
const PHONET: u8 = 35;
const NEW_ROUTE: u16 = 24;
const MAIN_TABLE: u8 = 254;
const BOOT_PROTOCOL: u8 = 3;
const LINK_SCOPE: u8 = 253;
const UNICAST: u8 = 1;
const ROUTE_DESTINATION: u16 = 1;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_METRICS: u16 = 8;
const METRIC_CONGESTION_CONTROL: u16 = 16;
const ERROR: u16 = 2;
const GENERIC_CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// Request and acknowledge.
const ASK: u16 = 0x1 | 0x4;
/// Create, and only if it is not there.
pub(crate) const CREATE: u16 = 0x400 | 0x200;
const INTERFACE_NAME: u16 = 3;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const PEER: u16 = 1;
/// The flag of an interface that is up.
const UP: u32 = 1;
/// Set in the type of an attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// Makes an interface of a kind: `rtnl-link-KIND`.
///
/// # Errors
/// What the kernel answers.
pub fn create(kind: &str, name: &str) -> io::Result<()> {
    let kind = attribute(LINK_INFO, &attribute(INFO_KIND, kind.as_bytes()));
    tell(NEW_LINK, CREATE, &link(0, 0, 0, &[attribute(INTERFACE_NAME, &terminated(name)), kind]))
}

/// Makes a pair of interfaces, each the other end of the other: `rtnl-link-veth`.
///
/// # Errors
/// What the kernel answers.
pub fn create_pair(name: &str, peer: &str) -> io::Result<()> {
    let peer = attribute(PEER, &link(0, 0, 0, &[attribute(INTERFACE_NAME, &terminated(peer))]));
    let info = [attribute(INFO_KIND, b"veth"), attribute(INFO_DATA, &peer)].concat();
    let attributes = [attribute(INTERFACE_NAME, &terminated(name)), attribute(LINK_INFO, &info)];
    tell(NEW_LINK, CREATE, &link(0, 0, 0, &attributes))
}

/// Removes an interface.
///
/// # Errors
/// What the kernel answers.
pub fn delete(name: &str) -> io::Result<()> {
    tell(DELETE_LINK, 0, &link(0, 0, 0, &[attribute(INTERFACE_NAME, &terminated(name))]))
}

/// Brings an interface up.
///
/// # Errors
/// What the kernel answers.
pub fn up(index: u32) -> io::Result<()> {
    tell(NEW_LINK, 0, &link(index, UP, UP, &[]))
}

/// Adds a route to 10.9.0.0/16 through an interface, whose connections use a congestion control: `tcp_NAME`.
///
/// # Errors
/// What the kernel answers.
pub fn add_route_with_congestion_control(index: u32, name: &str) -> io::Result<()> {
    let mut body = route(index);
    body.extend(nested(ROUTE_METRICS, &attribute(METRIC_CONGESTION_CONTROL, &terminated(name))));
    tell(NEW_ROUTE, CREATE, &body)
}

/// Adds a route to 10.9.0.0/16 through an interface.
///
/// # Errors
/// What the kernel answers.
pub fn add_route(index: u32) -> io::Result<()> {
    tell(NEW_ROUTE, CREATE, &route(index))
}

/// A route to 10.9.0.0/16 through an interface.
fn route(index: u32) -> Vec<u8> {
    // Family, length of the destination, no source, no type of service; table, protocol, scope and type of the route.
    let mut body = vec![2, 16, 0, 0, MAIN_TABLE, BOOT_PROTOCOL, LINK_SCOPE, UNICAST];
    body.extend(0_u32.to_ne_bytes());
    body.extend(attribute(ROUTE_DESTINATION, &[10, 9, 0, 0]));
    body.extend(attribute(ROUTE_INTERFACE, &index.to_ne_bytes()));
    body
}

/// Makes an interface a port of another one, such as a bridge.
///
/// # Errors
/// What the kernel answers.
pub fn enslave(index: u32, master: u32) -> io::Result<()> {
    tell(NEW_LINK, 0, &link(index, 0, 0, &[attribute(MASTER, &master.to_ne_bytes())]))
}

/// Gives an interface an address of Phonet, which is one byte.
///
/// # Errors
/// What the kernel answers.
pub fn add_phonet_address(index: u32, address: u8) -> io::Result<()> {
    // Family, length, flags, scope; the interface.
    let mut body = vec![PHONET, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(attribute(LOCAL_ADDRESS, &[address]));
    tell(NEW_ADDRESS, CREATE, &body)
}

/// The fixed part of a link message, and its attributes.
fn link(index: u32, flags: u32, change: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for word in [index, flags, change] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(attributes.concat());
    bytes
}

/// A name as the kernel reads it.
pub(crate) fn terminated(name: &str) -> Vec<u8> {
    name.bytes().chain([0]).collect()
}

/// An attribute, filled up to a multiple of four bytes.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = Vec::from(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that says that it holds attributes, as younger protocols want it.
pub(crate) fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, attributes)
}

/// Asks generic netlink for a family by its name: `net-pf-16-proto-16-family-NAME`.
///
/// # Errors
/// What the kernel answers; that there is none is `NotFound`.
pub fn generic_family(name: &str) -> io::Result<()> {
    family_number(name).map(drop)
}

/// The number under which generic netlink knows a family.
fn family_number(name: &str) -> io::Result<u16> {
    let body = [generic_head(GET_FAMILY), attribute(FAMILY_NAME, &terminated(name))].concat();
    let answer = talk(Some(rustix::net::netlink::GENERIC), GENERIC_CONTROL, 0, &body)?;
    // The family's description, or an error.
    if kind(&answer) != Some(GENERIC_CONTROL) {
        acknowledged(&answer)?;
    }
    let number = value(answer.get(20..).unwrap_or_default(), FAMILY_ID);
    let number = number.and_then(|bytes| Some(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?)));
    number.ok_or_else(|| io::Error::other("the family's description has no number"))
}

/// Command, version, and two reserved bytes.
fn generic_head(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

/// The value of the first attribute of a type.
fn value(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let [a, b, c, d, ..] = *attributes else { return None };
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        if kind == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// Sends one command to a family of generic netlink, which is acknowledged.
pub(crate) fn tell_family(name: &str, command: u8, attributes: &[u8]) -> io::Result<()> {
    let family = family_number(name)?;
    let body = [generic_head(command), attributes.to_vec()].concat();
    acknowledged(&talk(Some(rustix::net::netlink::GENERIC), family, 0, &body)?)
}

/// Sends a message to a subsystem of netfilter: `net-pf-16-proto-12`, then `nfnetlink-subsys-NUMBER`. What the
/// subsystem answers is of no interest.
///
/// # Errors
/// The socket's; there is none if that protocol is missing.
pub fn netfilter(subsystem: u8) -> io::Result<()> {
    const GET: u8 = 1;
    // Family, version, and the number of a resource.
    let kind = u16::from_be_bytes([subsystem, GET]);
    talk(Some(rustix::net::netlink::NETFILTER), kind, 0, &[0, 0, 0, 0]).map(drop)
}

/// Sends one message of rtnetlink, which is acknowledged.
pub(crate) fn tell(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    // No protocol means number 0, which is NETLINK_ROUTE.
    acknowledged(&talk(None, kind, flags, body)?)
}

/// Sends one message of a protocol, which is acknowledged: `net-pf-16-proto-PROTOCOL`.
pub(crate) fn tell_through(protocol: Protocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    acknowledged(&talk(Some(protocol), kind, flags, body)?)
}

/// Sends messages at once, so many of which are acknowledged.
pub(crate) fn send_all(protocol: Protocol, messages: &[u8], acknowledgements: usize) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
    sendto(&socket, messages, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    (0..acknowledgements).try_for_each(|_| acknowledged(&answer(&socket)?))
}

/// Sends one message and gives the kernel's answer to it.
fn talk(protocol: Option<Protocol>, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    sendto(&socket, &message(kind, ASK | flags, body), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    answer(&socket)
}

/// A message with its header, filled up to a multiple of four bytes.
pub(crate) fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 16).unwrap_or(u32::MAX);
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn answer(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; 8192];
    let (length, _) = recv(socket, answer.as_mut_slice(), RecvFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

/// The type in a message's header.
fn kind(message: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?))
}

/// Reads an acknowledgement: a header of 16 bytes, and the negated errno or 0.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let damaged = || io::Error::other("the answer is no acknowledgement");
    if kind(answer) != Some(ERROR) {
        return Err(damaged());
    }
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match code.ok_or_else(damaged)? {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_say_their_length_and_are_filled_up() {
        let little = attribute(3, b"lo\0");
        assert_eq!(little.len(), 8);
        assert_eq!(little[..2], 7u16.to_ne_bytes());
        assert_eq!(little[4..], *b"lo\0\0");
    }

    #[test]
    fn the_value_of_an_attribute_is_found_among_others() {
        let attributes =
            [attribute(2, b"wg\0"), attribute(1, &[7, 0]), nested(8, &attribute(1, b"x"))].concat();
        assert_eq!(value(&attributes, 1), Some(&[7, 0][..]));
        assert_eq!(value(&attributes, 2), Some(&b"wg\0"[..]));
        assert_eq!(value(&attributes, 3), None);
        assert_eq!(value(&[0, 0, 0, 0, 1], 1), None);
    }

    #[test]
    fn an_acknowledgement_carries_the_error_of_the_kernel() {
        let answer = |code: i32| {
            let mut bytes = vec![0; 16];
            bytes[4..6].copy_from_slice(&ERROR.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        assert!(acknowledged(&answer(0)).is_ok());
        assert_eq!(acknowledged(&answer(-17)).unwrap_err().raw_os_error(), Some(17));
        assert!(acknowledged(&answer(0)[..18]).is_err());
        assert!(acknowledged(&[]).is_err());
    }
}
