//! The clocks that the tools go by, as a value that is passed in.

use std::cell::Cell;
use std::time::Duration;

use crate::boot_time::BootTime;

/// What time it is, and waiting.
pub trait Clock {
    /// The time since the boot, sleep of the machine included.
    fn since_boot(&self) -> BootTime;

    /// Seconds since 1970.
    fn since_1970(&self) -> u64;

    /// Returns after this time.
    fn pause(&self, time: Duration);
}

/// The clock of this system. Nothing below the tools makes one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn since_boot(&self) -> BootTime {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let milliseconds = i128::from(time.tv_sec) * 1000 + i128::from(time.tv_nsec) / 1_000_000;
        BootTime(u64::try_from(milliseconds).unwrap_or(0))
    }

    fn since_1970(&self) -> u64 {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A clock on which only pauses take time, for tests of whatever waits. It says that 1970 has just begun.
#[derive(Debug)]
pub struct PauseClock(pub Cell<u64>);

impl Clock for PauseClock {
    fn since_boot(&self) -> BootTime {
        BootTime(self.0.get())
    }

    fn since_1970(&self) -> u64 {
        0
    }

    fn pause(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.set(self.0.get().saturating_add(milliseconds));
    }
}
