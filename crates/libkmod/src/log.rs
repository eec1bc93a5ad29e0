//! Messages: how much is said, and to whom.
//!
//! By default errors go to standard error, as the C library has it; a program that has a log of its own gives a
//! function. The function may call the library again, so nothing is borrowed while it runs.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, Write};

use moddb::config::Gravity;
use rustix::io::Errno;

use crate::boundary::{text, valist};

/// A program's own log function. The last argument is a `va_list`.
pub type LogFunction = unsafe extern "C" fn(
    data: *mut c_void,
    priority: c_int,
    file: *const c_char,
    line: c_int,
    function: *const c_char,
    format: *const c_char,
    arguments: *mut c_void,
);

/// Priorities of syslog(3).
pub(crate) const ERROR: c_int = 3;
pub(crate) const WARNING: c_int = 4;
pub(crate) const INFO: c_int = 6;
const DEBUG: c_int = 7;

/// Where messages go.
#[derive(Clone, Copy)]
enum Sink {
    Stderr,
    Silence,
    Function(LogFunction, *const c_void),
}

/// The log of a context.
pub(crate) struct Log {
    priority: Cell<c_int>,
    sink: Cell<Sink>,
}

impl Log {
    pub(crate) fn new(priority: c_int) -> Self {
        Self { priority: Cell::new(priority), sink: Cell::new(Sink::Stderr) }
    }

    pub(crate) fn priority(&self) -> c_int {
        self.priority.get()
    }

    pub(crate) fn set_priority(&self, priority: c_int) {
        self.priority.set(priority);
    }

    /// Sends messages to a function from now on, or nowhere.
    pub(crate) fn set_function(&self, function: Option<LogFunction>, data: *const c_void) {
        self.sink.set(function.map_or(Sink::Silence, |function| Sink::Function(function, data)));
    }

    /// Says something, if so much is to be said. `said` is asked for the text only then.
    pub(crate) fn say(&self, priority: c_int, function: &CStr, said: impl FnOnce() -> String) {
        if self.priority() >= priority && !matches!(self.sink.get(), Sink::Silence) {
            self.emit(priority, function, said().as_bytes());
        }
    }

    fn emit(&self, priority: c_int, function: &CStr, said: &[u8]) {
        match self.sink.get() {
            Sink::Silence => {}
            Sink::Stderr => {
                let (name, function) = (name(priority), function.to_bytes());
                let line = [b"libkmod: ", name.as_bytes(), b": ", function, b": ", said, b"\n"].concat();
                // There is nobody to report this failure to.
                let _ = io::stderr().write_all(&line);
            }
            Sink::Function(log, data) => {
                let said = text(said);
                // The line is of no use outside of this library; callers want the names not to be NULL.
                let (file, format) = (c"libkmod", c"%s\n");
                valist::with_pointer(said.as_ptr(), |list| {
                    // SAFETY: the caller gave a function of this type, and every string lives during the call. It
                    // is C code, so nothing unwinds through it.
                    unsafe {
                        log(
                            data.cast_mut(),
                            priority,
                            file.as_ptr(),
                            0,
                            function.as_ptr(),
                            format.as_ptr(),
                            list,
                        );
                    }
                });
            }
        }
    }
}

fn name(priority: c_int) -> String {
    let names = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
    let name = usize::try_from(priority).ok().and_then(|priority| names.get(priority));
    name.map_or_else(|| format!("L:{priority}"), |name| (*name).to_owned())
}

/// The priority of a message of the module database.
pub(crate) fn priority_of(severity: Gravity) -> c_int {
    match severity {
        Gravity::Error => ERROR,
        Gravity::Warning => WARNING,
        Gravity::Info => INFO,
    }
}

/// The priority that a value of `KMOD_LOG` asks for: a number, or a word that begins as the name of one does.
/// compat: anything else means 0 (tests/libkmod-c/c/each.c).
pub(crate) fn priority_from(value: &[u8]) -> c_int {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let trimmed = value.iter().position(|&byte| !is_space(byte)).and_then(|at| value.get(at..));
    let number = trimmed.unwrap_or_default();
    let digits_at = usize::from(matches!(number.first(), Some(b'+' | b'-')));
    let len = number.iter().skip(digits_at).take_while(|byte| byte.is_ascii_digit()).count();
    if len > 0 {
        let (number, rest) = number.split_at(digits_at + len);
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        return number.filter(|_| rest.first().is_none_or(|&byte| is_space(byte))).unwrap_or(0);
    }
    let words: [(&[u8], c_int); 3] = [(b"err", ERROR), (b"info", INFO), (b"debug", DEBUG)];
    words.iter().find(|(word, _)| value.starts_with(word)).map_or(0, |&(_, priority)| priority)
}

/// The C library's text for an error number, as its own programs print it.
pub(crate) fn strerror(errno: Errno) -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is as long as it says. This is the XSI function, which writes a string into it.
    let result = unsafe { libc::strerror_r(errno.raw_os_error(), buffer.as_mut_ptr().cast(), buffer.len()) };
    match CStr::from_bytes_until_nul(&buffer) {
        Ok(text) if result == 0 => text.to_string_lossy().into_owned(),
        _ => format!("error {}", errno.raw_os_error()),
    }
}

// Not among what the crate `libc` declares.
unsafe extern "C" {
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// What the environment says of the priority; a program with more rights than its user does not read it.
pub(crate) fn priority_of_environment() -> Option<c_int> {
    let variable = CString::from(c"KMOD_LOG");
    // SAFETY: the name is a C string. The value is read at once; that nobody changes the environment in the
    // meantime is what every reader of it has to trust in.
    let value = unsafe { secure_getenv(variable.as_ptr()) };
    // SAFETY: not NULL, so a string.
    (!value.is_null()).then(|| priority_from(unsafe { CStr::from_ptr(value) }.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priority_is_a_number_or_the_beginning_of_a_name() {
        for (value, priority) in [
            ("7", 7),
            (" 6", 6),
            ("-1", -1),
            ("7 x", 7),
            ("err", 3),
            ("errors", 3),
            ("information", 6),
            ("debug", 7),
            ("warn", 0),
            ("", 0),
            ("7x", 0),
            ("0x7", 0),
            ("99999999999", 0),
        ] {
            assert_eq!(priority_from(value.as_bytes()), priority, "{value:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the C library for words")]
    fn priorities_have_the_names_of_syslog() {
        assert_eq!([name(3), name(6), name(9), name(-1)], ["ERROR", "INFO", "L:9", "L:-1"]);
        assert_eq!(strerror(Errno::NOENT), "No such file or directory");
    }
}
