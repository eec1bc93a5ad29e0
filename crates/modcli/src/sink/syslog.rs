//! The syslog daemon's socket, used only where a daemon provably listens.
//!
//! Asking for a socket of a family that the kernel lacks makes it call modprobe. So nothing here asks: that Unix
//! sockets exist, that the log's socket is one, and that a daemon has bound a datagram socket to that very path
//! is read from the kernel's list. The send never waits: a daemon that does not read must not hold up a boot.
//!
//! A listener bound through another name of the same place (a chroot, a link in the middle of the path) is not
//! recognised; the messages then go to the kernel's log, which syslog daemons read as well.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use syslog::{LogFormat, Logger, LoggerBackend, Severity as Level};

use super::line::{one_line, priority, sender};
use super::{LogPlaces, Record};
use crate::severity::Severity;

/// Bytes of a datagram's text; daemons cut or drop longer ones.
const DATAGRAM: usize = 8000;

/// Sends the records and returns those that could not be sent.
pub(super) fn deliver<'a>(program: &str, places: &LogPlaces, records: &'a [Record]) -> &'a [Record] {
    let Some(listener) = proven_listener(places) else { return records };
    let Ok(socket) = connect(&listener) else { return records };
    let mut logger = Logger::new(LoggerBackend::Unix(socket), Datagram { sender: sender(program) });
    for (at, record) in records.iter().enumerate() {
        let text = record.text.as_slice();
        let sent = match record.severity {
            Severity::Fatal => logger.crit(text),
            Severity::Error => logger.err(text),
            Severity::Warning => logger.warning(text),
            Severity::Notice => logger.notice(text),
            Severity::Info => logger.info(text),
            Severity::Debug => logger.debug(text),
        };
        if sent.is_err() {
            return records.get(at..).unwrap_or_default();
        }
    }
    &[]
}

/// The path of the log's socket, links resolved, if a datagram socket is bound to it now.
fn proven_listener(places: &LogPlaces) -> Option<PathBuf> {
    // First of all: without this file there are no Unix sockets, and nothing more is touched.
    let sockets = File::open(&places.unix_sockets).ok()?;
    let path = fs::canonicalize(&places.log_socket).ok()?;
    if !fs::symlink_metadata(&path).ok()?.file_type().is_socket() {
        return None;
    }
    has_datagram_socket(BufReader::new(sockets), &path).then_some(path)
}

/// Whether the kernel's list names a datagram socket bound to `path`.
///
/// A line is `Num: RefCount Protocol Flags Type St Inode Path`, the type four hexadecimal digits, the path after
/// one blank to the end of the line (net/unix/af_unix.c of the kernel).
fn has_datagram_socket(mut list: impl BufRead, path: &Path) -> bool {
    const DATAGRAM: &[u8] = b"0002";
    let mut line = Vec::new();
    loop {
        line.clear();
        match list.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let Some((before, bound)) = split_path(line, path) else { continue };
        let mut fields = before.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        if bound == path.as_os_str().as_bytes() && fields.nth(4) == Some(DATAGRAM) {
            return true;
        }
    }
}

/// The fields and the path of a line that is long enough to end in `path`.
fn split_path<'line>(line: &'line [u8], path: &Path) -> Option<(&'line [u8], &'line [u8])> {
    let fields = line.len().checked_sub(path.as_os_str().len())?;
    let (before, bound) = line.split_at_checked(fields)?;
    // Exactly seven fields before it, or the path would be the end of a longer one with a blank in it.
    let seven = before.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).count() == 7;
    (seven && before.ends_with(b" ")).then_some((before, bound))
}

/// One datagram socket that never waits.
fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// `<priority>PROGRAM[pid]: text`, without time and host: a daemon on the same machine knows both, and finding
/// them out would read the clock, the time zone and the host's name.
struct Datagram {
    sender: String,
}

impl LogFormat<&[u8]> for Datagram {
    fn format<W: Write>(&self, writer: &mut W, level: Level, text: &[u8]) -> syslog::Result<()> {
        let mut datagram = priority(level as u8).into_bytes();
        datagram.extend_from_slice(self.sender.as_bytes());
        datagram.extend(one_line(text).iter().take(DATAGRAM));
        // One write is one datagram: it goes as a whole or not at all.
        writer.write(&datagram).map(|_| ()).map_err(syslog::Error::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    #[test]
    fn only_a_datagram_socket_bound_to_that_very_path_is_proof() {
        let cases: &[(&str, bool)] = &[
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345 /dev/log", true),
            ("00000000913f9810: 00000003 00000000 00000000 0002 01    38 /dev/log", true),
            ("0000000000000000: 00000002 00000000 00010000 0001 01 12345 /dev/log", false),
            ("0000000000000000: 00000002 00000000 00010000 0005 01 12345 /dev/log", false),
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345 /run/dev/log", false),
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345 /run /dev/log", false),
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345 /dev/log2", false),
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345 @/dev/log", false),
            ("0000000000000000: 00000002 00000000 00000000 0002 01 12345", false),
            ("0002 /dev/log", false),
            ("/dev/log", false),
            ("", false),
        ];
        for (line, expected) in cases {
            let list = format!("{HEAD}{line}\n");
            assert_eq!(has_datagram_socket(list.as_bytes(), Path::new("/dev/log")), *expected, "{line}");
        }
    }

    #[test]
    fn a_path_with_blanks_is_found_among_many_lines() {
        let other = "0000000000000000: 00000002 00000000 00000000 0002 01 1 /run/other\n".repeat(2000);
        let line = "0000000000000000: 00000002 00000000 00000000 0002 01 2 /run/a b";
        let list = format!("{HEAD}{other}{line}");
        assert!(has_datagram_socket(list.as_bytes(), Path::new("/run/a b")));
        assert!(!has_datagram_socket(list.as_bytes(), Path::new("b")));
    }
}
