//! How requests for a module and the pass that unloads idle ones keep out of each other's way.
//!
//! Whoever asks dates the records of the modules in question, before looking at the kernel's state; then, if an
//! unloading is under way, waits until it is over. A pass holds a lock over both: reading that date, and unloading.
//! So either the pass sees the date and leaves the module, or the other side sees that the module is gone and loads it.
//!
//! Without records, or where no pass ever ran, all of this is two system calls.

use std::fs::File;
use std::io;
use std::time::Duration;

use modfile::ModuleName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::boot_time::BootTime;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::memory::{Memory, file_name};

/// The lock that is held while one module is unloaded.
const UNLOADING: &str = "unloading.lock";
/// The longest wait for an unloading: most take some milliseconds, a few seconds if a module waits for its device.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The pause between two attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// The right to unload a module now; it ends with this value.
#[derive(Debug)]
pub struct Unloading(#[expect(dead_code, reason = "the lock goes with the open file")] File);

impl Memory {
    /// Records that these modules are asked for now. Returns when no pass is unloading any of them, or after a
    /// long wait. Best effort, like all of the memory: failures are not reported.
    pub fn ask_for<'m>(&self, modules: impl IntoIterator<Item = &'m ModuleName>, clock: &dyn Clock) {
        let _ = self.try_ask_for(modules, clock);
    }

    fn try_ask_for<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m ModuleName>,
        clock: &dyn Clock,
    ) -> io::Result<()> {
        let Some(base) = self.base()? else { return Ok(()) };
        let Some(lock) = base.open_to_lock(UNLOADING)? else { return Ok(()) };
        let Some(records) = self.records_in(&base)? else { return Ok(()) };
        let mut is_recorded = false;
        for module in modules {
            if let Some(name) = file_name(module) {
                is_recorded |= records.date(name, clock.since_boot())?;
            }
        }
        if is_recorded {
            // Having had it once is enough to see what the pass did; keeping it gains nothing.
            wait(&lock, FlockOperation::NonBlockingLockShared, LONGEST_WAIT, clock)?;
        }
        Ok(())
    }

    /// When a module was last asked for by [`Memory::ask_for`], as far as that is known and not in the future.
    #[must_use]
    pub fn asked_for(&self, module: &ModuleName, now: BootTime) -> Option<BootTime> {
        let base = self.base().ok()??;
        let date = self.records_in(&base).ok()??.date_of(file_name(module)?).ok()??;
        // A file that nobody dated has the time of day, which is decades from any boot.
        (date <= now).then_some(date)
    }

    /// Creates the lock, so that whoever asks for a module from now on records it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn announce_pass(&self) -> io::Result<()> {
        match self.base()? {
            Some(base) => base.touch(UNLOADING).map(drop),
            None => Ok(()),
        }
    }

    /// The right to unload a module. Whoever asks for one waits as long as it is held. `None` if it cannot be had
    /// soon.
    ///
    /// # Errors
    /// The lock cannot be used.
    pub fn begin_unloading(&self, clock: &dyn Clock) -> io::Result<Option<Unloading>> {
        let Some(base) = self.base()? else { return Err(io::ErrorKind::NotFound.into()) };
        let lock = base.touch(UNLOADING)?;
        let is_ours = wait(&lock, FlockOperation::NonBlockingLockExclusive, LONGEST_WAIT, clock)?;
        Ok(is_ours.then_some(Unloading(lock)))
    }

    fn base(&self) -> io::Result<Option<Directory>> {
        Ok(Directory::open(self.directory(), self.owner())?)
    }
}

/// Takes a lock within this time; says whether it did.
fn wait(lock: &File, operation: FlockOperation, longest: Duration, clock: &dyn Clock) -> io::Result<bool> {
    let begin = clock.since_boot();
    loop {
        match flock(lock, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno.into()),
        }
        if u128::from(clock.since_boot().since(begin)) >= longest.as_millis() {
            return Ok(false);
        }
        clock.pause(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::identity::Identity;
    use crate::identity::tests::boot;
    use crate::places::Places;
    use crate::record::{Record, RecordedRole};

    /// A clock on which only pauses take time, and which does something at a pause.
    struct Hand<'a> {
        now: Cell<u64>,
        at_pause: &'a dyn Fn(u64),
    }

    impl Clock for Hand<'_> {
        fn since_boot(&self) -> BootTime {
            BootTime(self.now.get())
        }

        fn since_1970(&self) -> u64 {
            0
        }

        fn pause(&self, time: Duration) {
            self.now.set(self.now.get() + u64::try_from(time.as_millis()).unwrap());
            (self.at_pause)(self.now.get());
        }
    }

    fn at(now: u64, at_pause: &dyn Fn(u64)) -> Hand<'_> {
        Hand { now: Cell::new(now), at_pause }
    }

    fn memory(root: &Path) -> Memory {
        fs::create_dir_all(root.join("run")).unwrap();
        let memory = Memory::new(&Places::below(root, rustix::process::geteuid().as_raw()));
        let identity = Identity { inode: 1, boot: boot(b'1') };
        let record =
            Record { request: b"fs-m".to_vec(), role: RecordedRole::Target, loaded: BootTime(0), identity };
        memory.write_record(&"m".into(), &record).unwrap();
        memory
    }

    #[test]
    fn a_module_that_is_asked_for_is_dated_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path());
        memory.announce_pass().unwrap();
        assert_eq!(memory.asked_for(&"m".into(), BootTime(u64::from(u32::MAX))), None);
        memory.ask_for(&["m".into(), "other".into()], &at(61_234, &|_| panic!("waits")));
        assert_eq!(memory.asked_for(&"m".into(), BootTime(61_234)), Some(BootTime(61_234)));
        assert_eq!(memory.asked_for(&"m".into(), BootTime(61_233)), None);
        assert_eq!(memory.asked_for(&"other".into(), BootTime(70_000)), None);
        assert!(memory.records().unwrap().iter().all(|(_, record)| record.is_ok()));
    }

    #[test]
    fn where_no_pass_ever_ran_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path());
        memory.ask_for(&["m".into()], &at(5, &|_| {}));
        assert_eq!(memory.asked_for(&"m".into(), BootTime(5)), None);
        let nowhere = Memory::new(&Places::below(&root.path().join("missing"), 0));
        nowhere.ask_for(&["m".into()], &at(5, &|_| {}));
    }

    #[test]
    fn who_asks_waits_for_an_unloading_and_is_seen_by_the_next() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path());
        let quiet = at(0, &|_| panic!("waits"));
        let unloading = Cell::new(memory.begin_unloading(&quiet).unwrap());
        assert!(memory.begin_unloading(&at(0, &|_| {})).unwrap().is_none(), "two at once");
        let ends = |now| {
            if now >= 1050 {
                drop(unloading.take());
            }
        };
        let clock = at(1000, &ends);
        memory.ask_for(&["m".into()], &clock);
        assert_eq!(clock.now.get(), 1050);
        assert_eq!(memory.asked_for(&"m".into(), BootTime(1050)), Some(BootTime(1000)));
    }

    #[test]
    fn the_wait_for_an_unloading_that_never_ends_does() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path());
        let _unloading = memory.begin_unloading(&at(0, &|_| {})).unwrap();
        let clock = at(0, &|_| {});
        memory.ask_for(&["m".into()], &clock);
        assert_eq!(clock.now.get(), 10_000);
    }

    #[test]
    fn who_asks_for_a_module_that_nobody_would_unload_does_not_wait() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path());
        let _unloading = memory.begin_unloading(&at(0, &|_| {})).unwrap();
        memory.ask_for(&["other".into()], &at(0, &|_| panic!("waits")));
    }
}
