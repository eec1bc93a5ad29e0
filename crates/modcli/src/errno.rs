//! The texts of error numbers, the same in every build.
//!
//! glibc and musl word 73 of the 133 errors of Linux differently, and Rust appends ` (os error N)`. Scripts
//! and people compare what the tools print with what glibc's programs print, so the texts stand here once.
//! This module does not decide where an error is shown, nor what was attempted.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use rustix::io::Errno;

/// What glibc's `strerror` says in the C locale, from 1 on. An empty text is a number without a meaning.
#[rustfmt::skip]
const TEXTS: [&str; 133] = [
    "Operation not permitted",
    "No such file or directory",
    "No such process",
    "Interrupted system call",
    "Input/output error",
    "No such device or address",
    "Argument list too long",
    "Exec format error",
    "Bad file descriptor",
    "No child processes",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "Permission denied",
    "Bad address",
    "Block device required",
    "Device or resource busy",
    "File exists",
    "Invalid cross-device link",
    "No such device",
    "Not a directory",
    "Is a directory",
    "Invalid argument",
    "Too many open files in system",
    "Too many open files",
    "Inappropriate ioctl for device",
    "Text file busy",
    "File too large",
    "No space left on device",
    "Illegal seek",
    "Read-only file system",
    "Too many links",
    "Broken pipe",
    "Numerical argument out of domain",
    "Numerical result out of range",
    "Resource deadlock avoided",
    "File name too long",
    "No locks available",
    "Function not implemented",
    "Directory not empty",
    "Too many levels of symbolic links",
    "",
    "No message of desired type",
    "Identifier removed",
    "Channel number out of range",
    "Level 2 not synchronized",
    "Level 3 halted",
    "Level 3 reset",
    "Link number out of range",
    "Protocol driver not attached",
    "No CSI structure available",
    "Level 2 halted",
    "Invalid exchange",
    "Invalid request descriptor",
    "Exchange full",
    "No anode",
    "Invalid request code",
    "Invalid slot",
    "",
    "Bad font file format",
    "Device not a stream",
    "No data available",
    "Timer expired",
    "Out of streams resources",
    "Machine is not on the network",
    "Package not installed",
    "Object is remote",
    "Link has been severed",
    "Advertise error",
    "Srmount error",
    "Communication error on send",
    "Protocol error",
    "Multihop attempted",
    "RFS specific error",
    "Bad message",
    "Value too large for defined data type",
    "Name not unique on network",
    "File descriptor in bad state",
    "Remote address changed",
    "Can not access a needed shared library",
    "Accessing a corrupted shared library",
    ".lib section in a.out corrupted",
    "Attempting to link in too many shared libraries",
    "Cannot exec a shared library directly",
    "Invalid or incomplete multibyte or wide character",
    "Interrupted system call should be restarted",
    "Streams pipe error",
    "Too many users",
    "Socket operation on non-socket",
    "Destination address required",
    "Message too long",
    "Protocol wrong type for socket",
    "Protocol not available",
    "Protocol not supported",
    "Socket type not supported",
    "Operation not supported",
    "Protocol family not supported",
    "Address family not supported by protocol",
    "Address already in use",
    "Cannot assign requested address",
    "Network is down",
    "Network is unreachable",
    "Network dropped connection on reset",
    "Software caused connection abort",
    "Connection reset by peer",
    "No buffer space available",
    "Transport endpoint is already connected",
    "Transport endpoint is not connected",
    "Cannot send after transport endpoint shutdown",
    "Too many references: cannot splice",
    "Connection timed out",
    "Connection refused",
    "Host is down",
    "No route to host",
    "Operation already in progress",
    "Operation now in progress",
    "Stale file handle",
    "Structure needs cleaning",
    "Not a XENIX named type file",
    "No XENIX semaphores available",
    "Is a named type file",
    "Remote I/O error",
    "Disk quota exceeded",
    "No medium found",
    "Wrong medium type",
    "Operation canceled",
    "Required key not available",
    "Key has expired",
    "Key has been revoked",
    "Key was rejected by service",
    "Owner died",
    "State not recoverable",
    "Operation not possible due to RF-kill",
    "Memory page has hardware error",
];

/// The text of error `number` (Linux errno), or `Unknown error N`.
#[must_use]
pub fn text(number: i32) -> Cow<'static, str> {
    let known =
        usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).and_then(|at| TEXTS.get(at));
    match known {
        Some(text) if !text.is_empty() => Cow::Borrowed(text),
        _ if number == 0 => Cow::Borrowed("Success"),
        _ => Cow::Owned(format!("Unknown error {number}")),
    }
}

/// The reason for `error`: the text of its number, or its own words if it did not come from the kernel.
#[must_use]
pub fn reason(error: &io::Error) -> Cow<'static, str> {
    match error.raw_os_error() {
        Some(number) => text(number),
        None => Cow::Owned(error.to_string()),
    }
}

/// `error` and its causes as `OUTER: INNER: REASON`, with the reasons of this module.
///
/// A cause whose words already end the error before it is not repeated.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = words(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let words = words(cause);
        if !said.ends_with(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        next = cause.source();
    }
    said
}

/// The words of one error of a chain. Rust's own ` (os error N)` goes, also from the middle of the words.
fn words(error: &(dyn Error + 'static)) -> String {
    if let Some(reason) = of_system(error) {
        return reason.into_owned();
    }
    let words = error.to_string();
    // An error that words its source itself, in the manner of `{path}: {source}`.
    match error.source().and_then(|source| Some((source, of_system(source)?))) {
        Some((source, reason)) => words.replace(&source.to_string(), &reason),
        None => words,
    }
}

/// The reason, if this is an error of the standard library or an error number.
fn of_system(error: &(dyn Error + 'static)) -> Option<Cow<'static, str>> {
    let number = error.downcast_ref::<Errno>().map(|errno| text(errno.raw_os_error()));
    number.or_else(|| error.downcast_ref::<io::Error>().map(reason))
}

/// A sentence with the system's reason behind it, if there is one.
#[must_use]
pub fn because(mut sentence: Vec<u8>, errno: Option<Errno>) -> Vec<u8> {
    if let Some(errno) = errno {
        sentence.extend_from_slice(b": ");
        sentence.extend_from_slice(text(errno.raw_os_error()).as_bytes());
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[test]
    #[cfg(target_env = "gnu")]
    fn every_text_is_what_glibc_says() {
        // 41 and 58 have no meaning; beyond 133 there is none either.
        for number in -1..=200 {
            let told = io::Error::from_raw_os_error(number).to_string();
            let glibc = told.strip_suffix(&format!(" (os error {number})")).unwrap();
            assert_eq!(text(number), glibc, "{number}");
        }
    }

    #[test]
    fn an_error_that_did_not_come_from_the_kernel_keeps_its_words() {
        assert_eq!(reason(&io::Error::other("no such thing")), "no such thing");
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "No such file or directory");
    }

    #[derive(Debug)]
    struct Outer {
        says_source: bool,
        source: io::Error,
    }

    impl fmt::Display for Outer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.says_source {
                true => write!(formatter, "could not open x: {}", self.source),
                false => formatter.write_str("could not open x"),
            }
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.source)
        }
    }

    #[test]
    fn a_chain_says_each_reason_once_and_without_numbers() {
        for says_source in [true, false] {
            let error = Outer { says_source, source: io::Error::from_raw_os_error(13) };
            assert_eq!(chain(&error), "could not open x: Permission denied");
        }
    }
}
