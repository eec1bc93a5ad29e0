//! Who runs commands of modutils.d now, and about what: `/run/modutils/scripts`.
//!
//! For each module, and each requested name, only one process at a time runs commands. It holds a lock on a file, in
//! which it writes the process group of the command. Whoever finds the file locked waits, for a bounded time; unless it
//! was called from within that very command, directly or through the kernel, and would wait for itself. The kernel hands
//! no mark on to the programs that it starts, so the process group in the file is all there is to go by.
//!
//! The file goes with its lock: users can make the kernel ask for any number of names.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use modfile::ModuleName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::boot_time::BootTime;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::places::Places;

const SCRIPTS: &str = "scripts";
/// How many commands for requests of the kernel run at a time.
const AT_ONCE: usize = 4;
/// The first and the longest pause between two looks at a lock.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// The longest name of a file: two hundred bytes are more than the kernel asks for, even if each is written as three.
const LONGEST_NAME: usize = 240;
/// Longer than any text that is written here.
const LONGEST_TEXT: u64 = 100;
/// How often a command is looked at that others wait for. Whoever waits for itself was called by it before, so once
/// would do; but it is a look at processes that change meanwhile.
const LOOKS_AT_A_COMMAND: u32 = 2;

/// What commands are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The loading or unloading of this module.
    Module(&'a ModuleName),
    /// A name that the kernel asks for.
    Request(&'a OsStr),
}

/// How a process that finds the lock held was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// By a command of the process group that is noted.
    Called,
    /// By the kernel, which a command of that process group made ask.
    Asked,
}

/// What became of the wish to run commands.
#[derive(Debug)]
pub enum Taken {
    /// It is this process's turn.
    Ours(Turn),
    /// Another process ran the command for the same request meanwhile, and this is whether it succeeded.
    Shared(bool),
    /// This process would wait for itself.
    Nested(Nested),
    /// Its time was up before it was its turn.
    TooLate,
}

/// The right to run commands; it ends with this value.
#[derive(Debug)]
pub struct Turn {
    file: File,
    directory: Directory,
    name: OsString,
    /// One of the places that only so many have.
    _place: Option<File>,
}

/// Who waits for what, until when.
pub struct Waiting<'a> {
    /// Where it is noted.
    pub places: &'a Places,
    /// The time.
    pub clock: &'a dyn Clock,
    /// When waiting ends.
    pub until: BootTime,
    /// Says whether, and how, a command of this process group called this process.
    pub nested: &'a dyn Fn(u32) -> Option<Nested>,
}

impl Waiting<'_> {
    /// Waits for the turn to run commands about something.
    ///
    /// # Errors
    /// There is no place for the lock.
    pub fn take(&self, subject: Subject<'_>) -> io::Result<Taken> {
        let name = file_name(subject).ok_or(io::ErrorKind::InvalidInput)?;
        let directory = Directory::make(&self.places.run, self.places.owner)?.make_inner(SCRIPTS)?;
        let began = self.clock.since_boot();
        let (mut pause, mut looks) = (FIRST_PAUSE, 0_u32);
        let (mut command, mut looks_at_it) = (0, 0);
        let mut file = directory.open_to_change(as_str(&name))?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    if let (Subject::Request(_), Some(Text::Ended { at, success })) = (subject, read(&file))
                        && at >= began
                    {
                        return Ok(Taken::Shared(success));
                    }
                    // Whoever had it before has removed it.
                    if file.metadata()?.nlink() == 0 {
                        file = directory.open_to_change(as_str(&name))?;
                        continue;
                    }
                    break;
                }
                Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(errno.into()),
            }
            if (looks.is_power_of_two() || looks == 0)
                && let Some(Text::Running(group)) = read(&file)
            {
                if group != command {
                    (command, looks_at_it) = (group, 0);
                }
                // A look at all processes takes time, which the command needs that many may be waiting for.
                if looks_at_it < LOOKS_AT_A_COMMAND
                    && let Some(nested) = (self.nested)(group)
                {
                    return Ok(Taken::Nested(nested));
                }
                looks_at_it += 1;
            }
            looks = looks.saturating_add(1);
            if !self.wait(&mut pause) {
                return Ok(Taken::TooLate);
            }
        }
        // What a process that was killed left in it is over.
        file.set_len(0)?;
        let place = match subject {
            Subject::Module(_) => None,
            Subject::Request(_) => match self.place(&directory)? {
                Some(place) => Some(place),
                None => {
                    directory.remove(&name)?;
                    return Ok(Taken::TooLate);
                }
            },
        };
        Ok(Taken::Ours(Turn { file, directory, name, _place: place }))
    }

    /// One of the places for commands that run at the same time.
    fn place(&self, directory: &Directory) -> io::Result<Option<File>> {
        let mut pause = FIRST_PAUSE;
        loop {
            for number in 0..AT_ONCE {
                let file = directory.open_to_change(&format!("place-{number}"))?;
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return Ok(Some(file)),
                    Err(Errno::WOULDBLOCK) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            if !self.wait(&mut pause) {
                return Ok(None);
            }
        }
    }

    /// Pauses, longer each time; says whether there is time left.
    fn wait(&self, pause: &mut Duration) -> bool {
        if self.clock.since_boot() >= self.until {
            return false;
        }
        self.clock.pause(*pause);
        *pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        true
    }
}

impl Turn {
    /// Notes the process group of the command that runs now. Best effort: without it a command that calls for itself
    /// waits until its time is up.
    pub fn note(&self, group: u32) {
        let _ = self.file.set_len(0);
        let _ = self.file.write_all_at(format!("group {group}\n").as_bytes(), 0);
    }

    /// Ends the turn. Those who waited for the same request share the result.
    pub fn end(self, at: BootTime, success: bool) {
        let text = format!("ended {} {}\n", at.0, if success { "well" } else { "badly" });
        // If it cannot be written they run the command again.
        let _ = self.file.set_len(0);
        let _ = self.file.write_all_at(text.as_bytes(), 0);
        // Before the lock goes, so that nobody takes this one for a new one.
        let _ = self.directory.remove(&self.name);
    }
}

/// What a file says.
enum Text {
    Running(u32),
    Ended { at: BootTime, success: bool },
}

fn read(file: &File) -> Option<Text> {
    let mut text = String::new();
    let mut from_start = file;
    io::Seek::seek(&mut from_start, io::SeekFrom::Start(0)).ok()?;
    from_start.take(LONGEST_TEXT).read_to_string(&mut text).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["group", group] => Some(Text::Running(group.parse().ok().filter(|&group| group > 1)?)),
        ["ended", at, how] => Some(Text::Ended { at: BootTime(at.parse().ok()?), success: *how == "well" }),
        _ => None,
    }
}

/// The name of the file for a subject: bytes that may mean something in a name of a file are written in hexadecimal.
fn file_name(subject: Subject<'_>) -> Option<OsString> {
    let (kind, name) = match subject {
        Subject::Module(module) => ("module-", module.as_bytes()),
        Subject::Request(name) => ("request-", name.as_bytes()),
    };
    let mut text = kind.as_bytes().to_vec();
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => text.push(byte),
            other => text.extend(format!("%{other:02x}").as_bytes()),
        }
    }
    (text.len() <= LONGEST_NAME).then(|| OsString::from_vec(text))
}

fn as_str(name: &OsStr) -> &str {
    // Made of ASCII above.
    name.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
