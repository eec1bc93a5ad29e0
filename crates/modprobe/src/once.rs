//! What is told once per boot, however often it happens: the kernel may ask hundreds of times while the database
//! is missing.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Whether something is to be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// It is the first time.
    Now,
    /// It was told since the machine started.
    Told,
    /// There is no place to remember it.
    NoMemory,
}

/// Notes that something is told. Of several processes one gets [`Telling::Now`].
pub(crate) fn note(memory: &Path, what: &str) -> Telling {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let marker = memory.join(format!("told-{what}"));
    let create = || rustix::fs::open(&marker, flags, Mode::from_raw_mode(0o644));
    let mut created = create();
    if let Err(rustix::io::Errno::NOENT) = created {
        created = rustix::fs::mkdir(memory, Mode::from_raw_mode(0o755)).and_then(|()| create());
    }
    match created.map_err(io::Error::from) {
        Ok(_) => Telling::Now,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Telling::Told,
        Err(_) => Telling::NoMemory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let memory = directory.path().join("modutils");
        assert_eq!(note(&memory, "a"), Telling::Now);
        assert_eq!(note(&memory, "a"), Telling::Told);
        assert_eq!(note(&memory, "b"), Telling::Now);
    }

    #[test]
    fn without_a_place_nothing_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let memory = directory.path().join("none/modutils");
        assert_eq!(note(&memory, "a"), Telling::NoMemory);
        assert_eq!(note(&memory, "a"), Telling::NoMemory);
        assert!(!memory.exists());
    }
}
