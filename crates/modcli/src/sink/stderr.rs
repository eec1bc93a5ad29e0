//! Descriptor 2, without a buffer.

use std::io::{self, Write};

use rustix::stdio::stderr;

use super::Reader;
use crate::terminal::shows_colours;

/// Standard error as the process was given it.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What standard error is for a reader. Costs a system call.
pub(super) fn reader() -> Reader {
    if !rustix::termios::isatty(stderr()) {
        Reader::Program
    } else if shows_colours(|name| std::env::var_os(name)) {
        Reader::PersonWithColours
    } else {
        Reader::Person
    }
}
