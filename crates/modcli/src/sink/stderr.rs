//! Descriptor 2, without a buffer.

use std::io::{self, Write};

use rustix::stdio::stderr;

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

pub(super) fn is_terminal() -> bool {
    rustix::termios::isatty(stderr())
}
