//! How many lines about requests of the kernel are logged: any user can cause them, without end.
//!
//! Each kind of line is counted for itself, so that many of one kind hide none of another. A count is in a file of
//! `/run/modutils`: when the present span of time began, how many lines were logged in it, and how many were left out.
//! Where that cannot be kept, all are logged.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::{FlockOperation, flock};

use crate::boot_time::BootTime;
use crate::directory::Directory;
use crate::memory::Memory;

/// At most this many lines in this many milliseconds.
const LINES: u64 = 10;
const SPAN: u64 = 10_000;

/// What lines are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// What the kernel asks for, and who made it ask.
    Requests,
    /// What it does not get.
    Refusals,
    /// Commands that failed.
    Commands,
}

impl LogKind {
    fn file(self) -> &'static str {
        match self {
            Self::Requests => "log-requests",
            Self::Refusals => "log-refusals",
            Self::Commands => "log-commands",
        }
    }
}

/// Whether a line may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayLog {
    /// It may; this many before it were left out and not mentioned yet.
    Yes {
        /// How many.
        left_out: u64,
    },
    /// There were too many.
    No,
}

/// What the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    began: u64,
    logged: u64,
    left_out: u64,
}

impl Count {
    /// One more line at this time.
    fn take(&mut self, now: u64) -> MayLog {
        if now < self.began || now - self.began >= SPAN {
            *self = Self { began: now, logged: 0, ..*self };
        }
        if self.logged >= LINES {
            self.left_out = self.left_out.saturating_add(1);
            return MayLog::No;
        }
        self.logged += 1;
        MayLog::Yes { left_out: std::mem::take(&mut self.left_out) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().map(str::parse);
        let mut number = || words.next()?.ok();
        Some(Self { began: number()?, logged: number()?, left_out: number()? })
    }

    /// The same length whatever the numbers are, so that it can be overwritten in place.
    fn format(self) -> String {
        format!("{:020} {:020} {:020}\n", self.began, self.logged, self.left_out)
    }
}

impl Memory {
    /// Counts a line, and says whether it may be logged.
    #[must_use]
    pub fn may_log(&self, kind: LogKind, now: BootTime) -> MayLog {
        self.try_may_log(kind, now).unwrap_or(MayLog::Yes { left_out: 0 })
    }

    fn try_may_log(&self, kind: LogKind, now: BootTime) -> io::Result<MayLog> {
        let file = Directory::make(self.directory(), self.owner())?.open_to_change(kind.file())?;
        // Another process is counting at this moment: there are many of them.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(MayLog::No);
        }
        count(&file, now)
    }
}

fn count(file: &File, now: BootTime) -> io::Result<MayLog> {
    let mut text = String::new();
    // A damaged count is like none.
    let _ = file.take(100).read_to_string(&mut text);
    let mut count = Count::parse(&text).unwrap_or_default();
    let may_log = count.take(now.0);
    file.write_all_at(count.format().as_bytes(), 0)?;
    Ok(may_log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;

    #[test]
    fn only_so_many_lines_of_a_kind_are_logged_in_a_time_and_the_rest_is_counted() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let memory = Memory::new(&Places::below(root.path(), rustix::process::geteuid().as_raw()));
        let at = |now| memory.may_log(LogKind::Requests, BootTime(now));
        for now in 0..10 {
            assert_eq!(at(50_000 + now), MayLog::Yes { left_out: 0 });
        }
        for _ in 0..7 {
            assert_eq!(at(59_999), MayLog::No);
        }
        for other in [LogKind::Refusals, LogKind::Commands] {
            assert_eq!(memory.may_log(other, BootTime(59_999)), MayLog::Yes { left_out: 0 });
        }
        assert_eq!(at(60_000), MayLog::Yes { left_out: 7 });
        assert_eq!(at(60_000), MayLog::Yes { left_out: 0 });
        let file = root.path().join("run/modutils/log-requests");
        std::fs::write(&file, "nonsense \u{ff}").unwrap();
        assert_eq!(at(60_000), MayLog::Yes { left_out: 0 });
        // As large as numbers can be.
        std::fs::write(&file, format!("60000 10 {}\n", u64::MAX)).unwrap();
        assert_eq!(at(60_001), MayLog::No);
    }

    #[test]
    fn where_nothing_can_be_counted_everything_is_logged() {
        let root = tempfile::tempdir().unwrap();
        let memory = Memory::new(&Places::below(&root.path().join("missing"), 0));
        assert_eq!(memory.may_log(LogKind::Requests, BootTime(1)), MayLog::Yes { left_out: 0 });
    }
}
