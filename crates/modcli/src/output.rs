//! Standard output: what was asked for, through one buffered handle.
//!
//! Lines go out as they are complete when a person reads them at a terminal, and nothing in them that the terminal
//! would obey; otherwise everything goes as it is, in large pieces.
//!
//! A reader that has gone away (`modprobe -c | head`) is not an error: kmod dies of SIGPIPE there, silently.
//! Rust ignores that signal, and this project leaves it so, because a tool that changes the kernel must not die
//! between two modules for the sake of a line nobody reads. What is written afterwards vanishes, a query may stop
//! early, and the status stays that of the work. Any other failure to write (a full disk) is reported once, and the
//! status is 1: what was asked for did not arrive.
//!
//! This module does not report the failure itself; whoever ends the run asks [`Output::finish`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};

use rustix::stdio::stdout;

use crate::ended::{Ended, Exit};
use crate::terminal::safe;

/// How much is gathered before it is written.
const PIECE: usize = 32 * 1024;

/// The one handle on standard output.
pub struct Output {
    state: RefCell<State>,
}

struct State {
    target: Box<dyn Write>,
    gathered: Vec<u8>,
    /// Asked at the first write.
    by_line: Option<bool>,
    failure: Option<io::Error>,
}

impl Output {
    /// Descriptor 1.
    #[must_use]
    pub fn stdout() -> Self {
        Self::with(Box::new(Stdout), None)
    }

    /// Any other place, in pieces: for tests and for a program that contains the tool.
    #[must_use]
    pub fn to(target: Box<dyn Write>) -> Self {
        Self::with(target, Some(false))
    }

    fn with(target: Box<dyn Write>, by_line: Option<bool>) -> Self {
        Self { state: RefCell::new(State { target, gathered: Vec::new(), by_line, failure: None }) }
    }

    /// Shows `text` as it is. Failures are kept for [`finish`](Self::finish): the work goes on.
    pub fn show(&self, text: impl AsRef<[u8]>) {
        self.state.borrow_mut().add(text.as_ref());
    }

    /// Shows `text` and a newline.
    pub fn show_line(&self, text: impl AsRef<[u8]>) {
        let mut state = self.state.borrow_mut();
        state.add(text.as_ref());
        state.add(b"\n");
    }

    /// Like [`show`](Self::show), for a query that has nothing else to do.
    ///
    /// # Errors
    /// Ends the query once nothing more can be written.
    pub fn print(&self, text: impl AsRef<[u8]>) -> Result<(), Ended> {
        self.show(text);
        if self.state.borrow().failure.is_some() { Err(Ended(Exit::Success)) } else { Ok(()) }
    }

    /// Like [`print`](Self::print), with a newline.
    ///
    /// # Errors
    /// Ends the query once nothing more can be written.
    pub fn print_line(&self, text: impl AsRef<[u8]>) -> Result<(), Ended> {
        self.show_line(text);
        self.print([])
    }

    /// Writes what is gathered, so that it stands before what a command or a message is going to write.
    pub fn flush(&self) {
        self.state.borrow_mut().flush();
    }

    /// Writes the rest. Returns the failure that made the output incomplete; a reader that left is not a failure.
    ///
    /// # Errors
    /// The first failure to write, once.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.flush();
        match state.failure.take() {
            Some(failure) if failure.kind() != io::ErrorKind::BrokenPipe => Err(failure),
            _ => Ok(()),
        }
    }
}

impl State {
    fn add(&mut self, text: &[u8]) {
        if self.failure.is_some() || text.is_empty() {
            return;
        }
        let by_line = *self.by_line.get_or_insert_with(|| rustix::termios::isatty(stdout()));
        self.gathered.extend_from_slice(&if by_line { safe(text) } else { Cow::Borrowed(text) });
        if self.gathered.len() >= PIECE || by_line && text.ends_with(b"\n") {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        if self.failure.is_none()
            && let Err(failure) = self.target.write_all(&self.gathered).and_then(|()| self.target.flush())
        {
            self.failure = Some(failure);
        }
        self.gathered.clear();
    }
}

/// Descriptor 1 without the standard library's line buffer.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(stdout(), bytes) {
            // Closed at the start and filled with something that cannot be written: nobody listens.
            Err(rustix::io::Errno::BADF) => Ok(bytes.len()),
            written => Ok(written?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
