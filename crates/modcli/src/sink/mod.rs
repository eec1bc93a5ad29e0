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
//! Nothing is opened, read or allocated before the first message. The paths are values ([`LogPlaces`]), so that
//! tests put their own in their place.

mod kmsg;
mod line;
mod stderr;
mod syslog;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::io::Write;
use std::path::Path;

use crate::severity::Severity;
use crate::terminal::{self, safe};

/// More messages than this are counted, not held.
const HELD: usize = 1000;

/// The system's places of logging.
#[derive(Clone, Debug)]
pub struct LogPlaces {
    /// The kernel's list of Unix sockets. It exists only where Unix sockets do.
    pub unix_sockets: Cow<'static, Path>,
    /// The syslog daemon's socket, or a link to it.
    pub log_socket: Cow<'static, Path>,
    /// The kernel's log.
    pub kernel_log: Cow<'static, Path>,
}

impl Default for LogPlaces {
    fn default() -> Self {
        let place = |path: &'static str| Cow::Borrowed(Path::new(path));
        Self {
            unix_sockets: place("/proc/net/unix"),
            log_socket: place("/dev/log"),
            kernel_log: place("/dev/kmsg"),
        }
    }
}

/// Who reads standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A file or a pipe: messages go there as they are.
    Program,
    /// A terminal: nothing goes there that it would obey.
    Person,
    /// The same, and the severity of a message has a colour.
    PersonWithColours,
}

/// The sink of one run.
pub struct Sink {
    program: &'static str,
    places: LogPlaces,
    /// Standard error, unless it was closed when the program started.
    stderr: RefCell<Option<Box<dyn Write>>>,
    /// Asked when it is first needed.
    reader: OnceCell<Reader>,
    ask: fn() -> Reader,
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
        Self { ask: stderr::reader, ..Self::new(program, LogPlaces::default(), stderr) }
    }

    /// A sink with places and a standard error of the caller's. `None` stands for a closed one.
    #[must_use]
    pub fn new(program: &'static str, places: LogPlaces, stderr: Option<Box<dyn Write>>) -> Self {
        Self {
            program,
            places,
            to_system: Cell::new(stderr.is_none()),
            stderr: RefCell::new(stderr),
            reader: OnceCell::new(),
            ask: || Reader::Program,
            held: RefCell::new(Vec::new()),
            left_out: Cell::new(0),
        }
    }

    /// The same sink for a reader of the caller's choice.
    #[must_use]
    pub fn read_by(self, reader: Reader) -> Self {
        Self { reader: OnceCell::from(reader), ..self }
    }

    /// From now on messages go to the system log, as by `-s`.
    pub fn use_system_log(&self) {
        self.to_system.set(true);
    }

    /// Whether a person at a terminal reads the messages.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !self.to_system.get() && self.reader() != Reader::Program
    }

    /// Takes a message: `PROGRAM: WORD: text` on standard error, `WORD: text` for the system log.
    pub fn tell(&self, severity: Severity, text: &[u8]) {
        if self.to_system.get() {
            self.hold(severity, &[severity.word().as_bytes(), b": ", text]);
        } else {
            self.say(self.program, terminal::look(severity), severity.word(), &[b": ", text]);
        }
    }

    /// Takes a hint: `hint: text`. The system log gets it as information.
    pub fn hint(&self, text: &[u8]) {
        if self.to_system.get() {
            self.hold(Severity::Info, &[b"hint: ", text]);
        } else {
            self.say("", Some(terminal::HINT), "hint", &[b": ", text]);
        }
    }

    /// Takes a line that is no message and goes to standard error whatever was asked: getopt's sentences.
    pub fn say_plainly(&self, line: &[u8]) {
        if self.stderr.borrow().is_some() {
            self.say("", None, "", &[line]);
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
            self.say(self.program, None, "", &[&record.text]);
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

    fn reader(&self) -> Reader {
        *self.reader.get_or_init(self.ask)
    }

    /// `PROGRAM: WORD` and the rest as one line on standard error, in one piece, so that lines of concurrent tools do
    /// not mix. The word has its look where colours are shown.
    fn say(&self, program: &str, look: Option<&str>, word: &str, rest: &[&[u8]]) {
        let mut stderr = self.stderr.borrow_mut();
        let Some(stderr) = stderr.as_mut() else { return };
        let rest = rest.concat();
        let (rest, look) = match self.reader() {
            Reader::Program => (Cow::Borrowed(rest.as_slice()), None),
            Reader::Person => (safe(&rest), None),
            Reader::PersonWithColours => (safe(&rest), look),
        };
        let separator = if program.is_empty() { "" } else { ": " };
        let (look, plain) = look.map_or(("", ""), |look| (look, terminal::PLAIN));
        let line = [program, separator, look, word, plain].concat();
        // There is nobody left to report this failure to.
        let _ = stderr.write_all(&[line.as_bytes(), &rest, b"\n"].concat());
    }
}
