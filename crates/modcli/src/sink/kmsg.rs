//! `/dev/kmsg`: the kernel's log, which needs no daemon, no socket and no module.
//!
//! One write is one record. Kernels accept 976 bytes or more; records here have at most 900. The kernel takes 10
//! records in 5 seconds from one open file and silently swallows the rest, so the file is opened again before
//! that. See Documentation/ABI/testing/dev-kmsg of the kernel.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Record;
use super::line::{one_line, pieces, priority, sender};

/// Bytes of a record, prefix included.
const RECORD: usize = 900;
/// Records per open file.
const RECORDS: usize = 9;

/// Writes the records and returns those that could not be written.
pub(super) fn deliver<'a>(program: &str, kernel_log: &Path, records: &'a [Record]) -> &'a [Record] {
    if records.is_empty() {
        return records;
    }
    let mut log = KernelLog { path: kernel_log, open: None };
    for (at, record) in records.iter().enumerate() {
        if log.write(program, record).is_err() {
            return records.get(at..).unwrap_or_default();
        }
    }
    &[]
}

struct KernelLog<'a> {
    path: &'a Path,
    /// The file and the records that it still takes.
    open: Option<(File, usize)>,
}

impl KernelLog<'_> {
    fn write(&mut self, program: &str, record: &Record) -> io::Result<()> {
        let prefix = priority(record.severity.level()) + &sender(program);
        let text = one_line(&record.text);
        for piece in pieces(&text, RECORD.saturating_sub(prefix.len() + 1)) {
            // The newline completes the record: without it readers see it only when the next one arrives.
            // A short write cannot be continued: the rest would be a record of its own.
            let _ = self.file()?.write(&[prefix.as_bytes(), piece, b"\n"].concat())?;
        }
        Ok(())
    }

    /// The open file, opened again when it has taken its share.
    fn file(&mut self) -> io::Result<&mut File> {
        if !matches!(self.open, Some((_, left)) if left > 0) {
            self.open = Some((open(self.path)?, RECORDS));
        }
        match &mut self.open {
            Some((file, left)) => {
                *left = left.saturating_sub(1);
                Ok(file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::APPEND;
    OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::severity::Severity;

    #[test]
    fn the_file_is_opened_again_before_the_kernel_swallows_records() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        fs::write(&path, "").unwrap();
        let mut log = KernelLog { path: &path, open: None };
        let record = Record { severity: Severity::Error, text: b"x".to_vec() };
        let lines = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap().lines().count();
        log.write("tool", &record).unwrap();
        // An open file stays the same under another name; one opened again is the new one.
        fs::rename(&path, directory.path().join("first")).unwrap();
        fs::write(&path, "").unwrap();
        for _ in 0..9 {
            log.write("tool", &record).unwrap();
        }
        assert_eq!((lines("first"), lines("kmsg")), (9, 1));
    }
}
