//! Configures a WireGuard interface by generic netlink: one private key, one peer. Commands and attributes are
//! those of the kernel's `linux/wireguard.h`.

use std::io;
use std::net::Ipv4Addr;

use crate::netlink::{attribute, nested, tell_family, terminated};

const SET_DEVICE: u8 = 1;
const NAME: u16 = 2;
const PRIVATE_KEY: u16 = 3;
const LISTEN_PORT: u16 = 6;
const PEERS: u16 = 8;
const PEER_PUBLIC_KEY: u16 = 1;
const PEER_ENDPOINT: u16 = 4;
const PEER_ALLOWED_ADDRESSES: u16 = 9;
const ALLOWED_FAMILY: u16 = 1;
const ALLOWED_ADDRESS: u16 = 2;
const ALLOWED_MASK: u16 = 3;
const INET: u16 = 2;
/// The port at which every side listens.
const PORT: u16 = 51820;

/// A pair of keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    private: [u8; 32],
    public: [u8; 32],
}

/// Keys for two sides: private ones that nobody would choose, and what X25519 makes of them.
pub const KEYS: [Keys; 2] = [
    Keys {
        private: [1; 32],
        public: [
            0xa4, 0xe0, 0x92, 0x92, 0xb6, 0x51, 0xc2, 0x78, 0xb9, 0x77, 0x2c, 0x56, 0x9f, 0x5f, 0xa9, 0xbb,
            0x13, 0xd9, 0x06, 0xb4, 0x6a, 0xb6, 0x8c, 0x9d, 0xf9, 0xdc, 0x2b, 0x44, 0x09, 0xf8, 0xa2, 0x09,
        ],
    },
    Keys {
        private: [2; 32],
        public: [
            0xce, 0x8d, 0x3a, 0xd1, 0xcc, 0xb6, 0x33, 0xec, 0x7b, 0x70, 0xc1, 0x78, 0x14, 0xa5, 0xc7, 0x6e,
            0xcd, 0x02, 0x96, 0x85, 0x05, 0x0d, 0x34, 0x47, 0x45, 0xba, 0x05, 0x87, 0x0e, 0x58, 0x7d, 0x59,
        ],
    },
];

/// What one side is told.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Its own keys.
    pub own: Keys,
    /// The other side's.
    pub peer: Keys,
    /// Where the other side is reached.
    pub endpoint: Ipv4Addr,
    /// The other side's address inside the tunnel.
    pub allowed: Ipv4Addr,
}

/// Configures an interface of this thread's network namespace.
///
/// # Errors
/// What the kernel answers.
pub fn configure(interface: &str, side: &Side) -> io::Result<()> {
    let allowed = [
        attribute(ALLOWED_FAMILY, &INET.to_ne_bytes()),
        attribute(ALLOWED_ADDRESS, &side.allowed.octets()),
        attribute(ALLOWED_MASK, &[32]),
    ]
    .concat();
    let peer = [
        attribute(PEER_PUBLIC_KEY, &side.peer.public),
        attribute(PEER_ENDPOINT, &endpoint(side.endpoint)),
        nested(PEER_ALLOWED_ADDRESSES, &nested(0, &allowed)),
    ]
    .concat();
    let device = [
        attribute(NAME, &terminated(interface)),
        attribute(PRIVATE_KEY, &side.own.private),
        attribute(LISTEN_PORT, &PORT.to_ne_bytes()),
        nested(PEERS, &nested(0, &peer)),
    ]
    .concat();
    tell_family("wireguard", SET_DEVICE, &device)
}

/// `struct sockaddr_in`.
fn endpoint(address: Ipv4Addr) -> Vec<u8> {
    [INET.to_ne_bytes().as_slice(), &PORT.to_be_bytes(), &address.octets(), &[0; 8]].concat()
}
