//! The ways to make the kernel ask for a module: ordinary system calls that need something which is not there.
//! Each gives what the caller of the kernel sees.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

use nix::sys::socket::{AddressFamily as NixFamily, AlgAddr, SockFlag, SockType, bind};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, netdevice, socket_with, sockopt};

use crate::world::WORK;

/// Socket families, by the numbers that appear in requests.
pub mod family {
    /// CAN, a module here.
    pub const CAN: u16 = 29;
    /// MPLS, a module that most images leave out.
    pub const ABSENT: u16 = 28;
}

/// Mounts a file system of that type without a device: `fs-TYPE`.
///
/// # Errors
/// The mount's; a block file system never succeeds this way, but its type is known afterwards.
pub fn file_system(kind: &str) -> io::Result<()> {
    let place = format!("{WORK}/mount-{kind}");
    fs::create_dir_all(&place)?;
    Ok(mount("none", &place, kind, MountFlags::empty(), None)?)
}

/// Whether the kernel knows the file system type.
///
/// # Errors
/// When the list cannot be read.
pub fn knows_file_system(kind: &str) -> io::Result<bool> {
    let known = fs::read_to_string(format!("{}/filesystems", crate::world::PROC))?;
    Ok(known.lines().any(|line| line.split_ascii_whitespace().last() == Some(kind)))
}

/// Opens a socket: `net-pf-FAMILY`, then what the family asks for the protocol.
///
/// # Errors
/// The socket call's.
pub fn socket(family: u16, kind: SocketType, protocol: u32) -> io::Result<OwnedFd> {
    let protocol = std::num::NonZeroU32::new(protocol).map(Protocol::from_raw);
    Ok(socket_with(AddressFamily::from_raw(family), kind, SocketFlags::CLOEXEC, protocol)?)
}

/// Opens a character device by its numbers: `char-major-MAJOR-MINOR`.
///
/// # Errors
/// The open's.
pub fn character_device(major: u32, minor: u32) -> io::Result<File> {
    device(FileType::CharacterDevice, major, minor)
}

/// Opens a block device by its numbers: `block-major-MAJOR-MINOR`.
///
/// # Errors
/// The open's.
pub fn block_device(major: u32, minor: u32) -> io::Result<File> {
    device(FileType::BlockDevice, major, minor)
}

fn device(kind: FileType, major: u32, minor: u32) -> io::Result<File> {
    let path = format!("{WORK}/{kind:?}-{major}-{minor}");
    match mknodat(CWD, &path, kind, Mode::RUSR | Mode::WUSR, makedev(major, minor)) {
        Err(error) if error != rustix::io::Errno::EXIST => return Err(error.into()),
        _ => {}
    }
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(nonblock).open(path)
}

/// Executes a file that begins with these bytes: `binfmt-XXXX` if the first four are not all printable.
///
/// # Errors
/// The execution's.
pub fn execute(bytes: &[u8]) -> io::Result<()> {
    let path = PathBuf::from(format!("{WORK}/junk"));
    fs::write(&path, bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Command::new(&path).spawn()?.wait().map(drop)
}

/// Asks for the number of a network interface: `netdev-NAME`, then `NAME`.
///
/// # Errors
/// The ioctl's.
pub fn interface(name: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::UNIX.as_raw(), SocketType::DGRAM, 0)?;
    Ok(netdevice::name_to_index(any, name)?)
}

/// Binds an `AF_ALG` socket: `net-pf-38`, `algif-KIND`, `crypto-NAME`.
///
/// # Errors
/// The socket call's or the bind's.
pub fn crypto(kind: &str, name: &str) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = nix::sys::socket::socket(NixFamily::Alg, SockType::SeqPacket, flags, None)?;
    bind(socket.as_raw_fd(), &AlgAddr::new(kind, name))?;
    Ok(socket)
}

/// Selects a congestion control for a new TCP socket, which is given back: `tcp_NAME`.
///
/// # Errors
/// The socket option's.
pub fn congestion_control(name: &str) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET.as_raw(), SocketType::STREAM, 0)?;
    sockopt::set_tcp_congestion(&socket, name)?;
    Ok(socket)
}
