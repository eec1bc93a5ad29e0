//! An index as text, for comparing indexes by what they say and for showing their aliases.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::error::IndexError;
use super::reader::{Index, Value};
use super::source::Source;

/// Writes one line per entry, in the order of [`Index::visit`]: key, value and priority, separated by tabs.
///
/// # Errors
/// Outer: the index cannot be read to the end; what came before was written. Inner: writing fails, and nothing
/// more is written.
pub fn dump<S: Source>(index: &Index<S>, to: &mut impl Write) -> Result<io::Result<()>, IndexError> {
    write_entries(index, |key, value| {
        to.write_all(key)?;
        to.write_all(b"\t")?;
        to.write_all(&value.text)?;
        writeln!(to, "\t{}", value.priority)
    })
}

/// Writes one line `alias KEY VALUE` per entry, in the order of [`Index::visit`].
///
/// # Errors
/// As [`dump`].
pub fn write_aliases<S: Source>(index: &Index<S>, to: &mut impl Write) -> Result<io::Result<()>, IndexError> {
    write_entries(index, |key, value| {
        to.write_all(b"alias ")?;
        to.write_all(key)?;
        to.write_all(b" ")?;
        to.write_all(&value.text)?;
        to.write_all(b"\n")
    })
}

fn write_entries<S: Source>(
    index: &Index<S>,
    mut write: impl FnMut(&[u8], &Value) -> io::Result<()>,
) -> Result<io::Result<()>, IndexError> {
    let mut written = Ok(());
    index.visit(|key, value| {
        written = write(key, value);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(written)
}
