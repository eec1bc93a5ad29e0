//! Where messages go: standard error at once, or the system log at the end of the run.
//!
//! A tool that the kernel called to load the very module that a log socket needs must not open that socket: it
//! would call itself again, without end. So messages for the system log are held until the work is done, and a
//! way is taken only after proof that it provokes nothing:
//!
//! 1. syslog, where a daemon provably listens on a datagram socket;
//! 2. `/dev/kmsg`, which is part of every kernel;
//! 3. standard error, if it was open at the start;
//! 4. nowhere.
//!
//! Nothing is opened, read or allocated before the first message. The paths are values ([`Places`]), so that
//! tests put their own in their place.

mod kmsg;
mod line;
mod stderr;
mod syslog;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::Path;

use crate::severity::Severity;

/// More messages than this are counted, not held.
const HELD: usize = 1000;

/// The system's places of logging.
#[derive(Clone, Debug)]
pub struct Places {
    /// The kernel's list of Unix sockets. It exists only where Unix sockets do.
    pub unix_sockets: Cow<'static, Path>,
    /// The syslog daemon's socket, or a link to it.
    pub log_socket: Cow<'static, Path>,
    /// The kernel's log.
    pub kernel_log: Cow<'static, Path>,
}

impl Default for Places {
    fn default() -> Self {
        let place = |path: &'static str| Cow::Borrowed(Path::new(path));
        Self {
            unix_sockets: place("/proc/net/unix"),
            log_socket: place("/dev/log"),
            kernel_log: place("/dev/kmsg"),
        }
    }
}

/// The sink of one run.
pub struct Sink {
    program: &'static str,
    places: Places,
    /// Standard error, unless it was closed when the program started.
    stderr: RefCell<Option<Box<dyn Write>>>,
    is_terminal: fn() -> bool,
    to_system: Cell<bool>,
    held: RefCell<Vec<Record>>,
    left_out: Cell<usize>,
}

/// A message held for the system log.
struct Record {
    severity: Severity,
    text: Vec<u8>,
}

impl Sink {
    /// The real system's sink. With a closed standard error it starts at the system log.
    #[must_use]
    pub fn of_system(program: &'static str, stderr_closed: bool) -> Self {
        let stderr: Option<Box<dyn Write>> =
            if stderr_closed { None } else { Some(Box::new(stderr::Stderr)) };
        Self { is_terminal: stderr::is_terminal, ..Self::new(program, Places::default(), stderr) }
    }

    /// A sink with places and a standard error of the caller's. `None` stands for a closed one.
    #[must_use]
    pub fn new(program: &'static str, places: Places, stderr: Option<Box<dyn Write>>) -> Self {
        Self {
            program,
            places,
            to_system: Cell::new(stderr.is_none()),
            stderr: RefCell::new(stderr),
            is_terminal: || false,
            held: RefCell::new(Vec::new()),
            left_out: Cell::new(0),
        }
    }

    /// From now on messages go to the system log, as by `-s`.
    pub fn use_system_log(&self) {
        self.to_system.set(true);
    }

    /// Whether a person at a terminal reads the messages.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !self.to_system.get() && (self.is_terminal)()
    }

    /// Takes a message: `PROGRAM: WORD: text` on standard error, `WORD: text` for the system log.
    pub fn tell(&self, severity: Severity, text: &[u8]) {
        if self.to_system.get() {
            self.hold(severity, &[severity.word().as_bytes(), b": ", text]);
        } else {
            self.say(&[self.program.as_bytes(), b": ", severity.word().as_bytes(), b": ", text]);
        }
    }

    /// Takes a hint: `hint: text`. The system log gets it as information.
    pub fn hint(&self, text: &[u8]) {
        if self.to_system.get() {
            self.hold(Severity::Info, &[b"hint: ", text]);
        } else {
            self.say(&[b"hint: ", text]);
        }
    }

    /// Takes a line that is no message and goes to standard error whatever was asked: getopt's sentences.
    pub fn say_plainly(&self, line: &[u8]) {
        if self.stderr.borrow().is_some() {
            self.say(&[line]);
        } else {
            self.hold(Severity::Error, &[line]);
        }
    }

    /// Delivers what is held. Called when the work is done; never fails, never blocks.
    pub fn flush(&self) {
        let mut held = std::mem::take(&mut *self.held.borrow_mut());
        if held.is_empty() {
            return;
        }
        let left_out = self.left_out.replace(0);
        if left_out > 0 {
            let text = format!("WARNING: {left_out} more messages are left out here");
            held.push(Record { severity: Severity::Warning, text: text.into_bytes() });
        }
        let rest = syslog::deliver(self.program, &self.places, &held);
        let rest = kmsg::deliver(self.program, &self.places.kernel_log, rest);
        for record in rest {
            self.say(&[self.program.as_bytes(), b": ", &record.text]);
        }
    }

    fn hold(&self, severity: Severity, parts: &[&[u8]]) {
        let mut held = self.held.borrow_mut();
        if held.len() < HELD {
            held.push(Record { severity, text: parts.concat() });
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// One line on standard error in one piece, so that lines of concurrent tools do not mix.
    fn say(&self, parts: &[&[u8]]) {
        if let Some(stderr) = self.stderr.borrow_mut().as_mut() {
            let mut line = parts.concat();
            line.push(b'\n');
            // There is nobody left to tell that telling failed.
            let _ = stderr.write_all(&line);
        }
    }
}
