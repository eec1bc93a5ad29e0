//! Reads what has been added to the kernel's log, by the kernel or through `/dev/kmsg`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;

/// The log from one moment on.
pub struct Tail(File);

impl Tail {
    /// Begins now.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn new() -> Result<Self> {
        let nonblock = i32::try_from(OFlags::NONBLOCK.bits())?;
        let mut log = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open("/dev/kmsg")
            .context("cannot read /dev/kmsg")?;
        log.seek(SeekFrom::End(0))?;
        Ok(Self(log))
    }

    /// The records added since: each with its priority and its text.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn records(&mut self) -> Result<Vec<(u32, String)>> {
        let mut records = Vec::new();
        let mut buffer = vec![0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(length) => {
                    let record = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                    records.extend(parse(&record));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
                // The oldest ones were overwritten; what follows is there.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A record is `PRIORITY,SEQUENCE,TIME,FLAGS;TEXT`; further lines hold the device it is about.
fn parse(record: &str) -> Option<(u32, String)> {
    let (head, text) = record.split_once(';')?;
    let priority = head.split(',').next()?.parse().ok()?;
    Some((priority, text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_priority_and_a_text() {
        let record = "27,812,123456,-;modprobe[81]: a; b\n SUBSYSTEM=net\n";
        assert_eq!(parse(record), Some((27, "modprobe[81]: a; b".into())));
        assert_eq!(parse("27,812"), None);
    }
}
