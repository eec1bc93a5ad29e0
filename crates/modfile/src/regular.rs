//! Reading of small files: configuration, records, what the kernel shows in `/proc` and `/sys`.
//!
//! Whoever may write to a directory can put a FIFO, a device, a link or a file without end in the place of any
//! file there. So a file is opened without waiting, must turn out to be a regular one, and is read no further than
//! its caller says. Files of the kernel say that they hold nothing, and files grow: the size is only a first guess.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Permissions that let others than the owner change what a file or directory holds.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// How much is read at first of a file that does not say how long it is.
const FIRST_PIECE: usize = 4096;

/// What happens with a symbolic link as the last part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The file it leads to is meant.
    Follow,
    /// It is refused, as [`RegularError::NotRegular`].
    Refuse,
}

/// Why a file cannot be read, or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RegularError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something else stands in its place.
    #[error("not a regular file")]
    NotRegular(FileType),
    /// It holds more than the given number of bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Somebody else may have written it.
    #[error(transparent)]
    NotTrusted(#[from] NotTrusted),
}

impl RegularError {
    /// The error number that says the same.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Io(error) => Errno::from_io_error(error).unwrap_or(Errno::IO),
            Self::NotRegular(FileType::Directory) => Errno::ISDIR,
            Self::NotRegular(FileType::Symlink) => Errno::LOOP,
            Self::NotRegular(_) => Errno::INVAL,
            Self::TooLong(_) => Errno::FBIG,
            Self::NotTrusted(_) => Errno::PERM,
        }
    }

    /// Whether there is just no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.errno() == Errno::NOENT
    }
}

impl From<Errno> for RegularError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<RegularError> for io::Error {
    fn from(error: RegularError) -> Self {
        match error {
            RegularError::Io(error) => error,
            RegularError::NotTrusted(reason) => Self::other(reason),
            other => other.errno().into(),
        }
    }
}

/// Why the content of a file or directory is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTrusted {
    /// It is somebody else's.
    #[error("it belongs to user {owner}, not to user {wanted}")]
    Owner {
        /// The owner's number.
        owner: u32,
        /// The number that the owner should have.
        wanted: u32,
    },
    /// Its group, or everybody, may write to it.
    #[error("others than its owner may write to it (mode {0:04o})")]
    Writable(u32),
}

/// Whether nobody but the user `owner` can have written what has this `stat`. For a directory that means: nobody
/// else can have put files there, or exchanged them.
///
/// # Errors
/// Why it is not to be believed.
pub fn check_trust(stat: &Stat, owner: u32) -> Result<(), NotTrusted> {
    if stat.st_uid != owner {
        return Err(NotTrusted::Owner { owner: stat.st_uid, wanted: owner });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 { Ok(()) } else { Err(NotTrusted::Writable(mode)) }
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Regular {
    fd: OwnedFd,
    stat: Stat,
}

impl Regular {
    /// Opens a regular file without waiting for anything.
    ///
    /// # Errors
    /// The system's refusal, or [`RegularError::NotRegular`].
    pub fn open(path: &Path, links: Links) -> Result<Self, RegularError> {
        Self::open_at(CWD, path, links)
    }

    /// The same, relative to an open directory.
    ///
    /// # Errors
    /// As [`Regular::open`].
    pub fn open_at(directory: impl AsFd, path: &Path, links: Links) -> Result<Self, RegularError> {
        // Not through the standard library: with musl that asks for the close-on-exec flag a second time.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = if links == Links::Refuse { flags | OFlags::NOFOLLOW } else { flags };
        let fd = match rustix::fs::openat(directory, path, flags, Mode::empty()) {
            Err(Errno::LOOP) if links == Links::Refuse => {
                return Err(RegularError::NotRegular(FileType::Symlink));
            }
            // So answers a socket, and a device that has no driver.
            Err(Errno::NXIO | Errno::NODEV) => return Err(RegularError::NotRegular(FileType::Unknown)),
            opened => opened?,
        };
        Self::opened(fd)
    }

    /// What the caller opened, if it is a regular file.
    ///
    /// # Errors
    /// As [`Regular::open`].
    pub fn opened(fd: OwnedFd) -> Result<Self, RegularError> {
        let stat = rustix::fs::fstat(&fd)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Self { fd, stat }),
            other => Err(RegularError::NotRegular(other)),
        }
    }

    /// The file, if nobody but the user `owner` can have written it.
    ///
    /// # Errors
    /// [`RegularError::NotTrusted`].
    pub fn trusted(self, owner: u32) -> Result<Self, RegularError> {
        check_trust(&self.stat, owner)?;
        Ok(self)
    }

    /// What the file system said of the file when it was opened.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The open file, for those who read it by position.
    #[must_use]
    pub fn into_file(self) -> File {
        self.fd.into()
    }

    /// All bytes from the present position on.
    ///
    /// # Errors
    /// The system's refusal, or [`RegularError::TooLong`] for more than `limit` bytes, of which no more than that
    /// are read.
    pub fn read(&self, limit: usize) -> Result<Vec<u8>, RegularError> {
        let size = usize::try_from(self.stat.st_size).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        // One byte more than there should be: what does not fill this is all there is.
        let mut room = if size == 0 { FIRST_PIECE } else { size }.min(limit).saturating_add(1);
        loop {
            bytes.try_reserve(room).map_err(|_| Errno::NOMEM)?;
            let free = bytes.capacity() - bytes.len();
            let read = rustix::io::retry_on_intr(|| {
                rustix::io::read(&self.fd, rustix::buffer::spare_capacity(&mut bytes))
            })?;
            if bytes.len() > limit {
                return Err(RegularError::TooLong(limit));
            }
            if read == 0 || (size > 0 && bytes.len() == size && read < free) {
                return Ok(bytes);
            }
            room = bytes.len().min(limit - bytes.len()).saturating_add(1);
        }
    }
}

/// All bytes of a regular file, or of the one that a link leads to.
///
/// # Errors
/// Those of [`Regular::open`] and [`Regular::read`].
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, RegularError> {
    Regular::open(path, Links::Follow)?.read(limit)
}

/// All bytes of a regular file at a path relative to an open directory.
///
/// # Errors
/// Those of [`Regular::open`] and [`Regular::read`].
pub fn read_at(
    directory: impl AsFd,
    path: &Path,
    links: Links,
    limit: usize,
) -> Result<Vec<u8>, RegularError> {
    Regular::open_at(directory, path, links)?.read(limit)
}

/// All bytes of a regular file, no link, that nobody but the user `owner` can have written.
///
/// # Errors
/// Those of [`Regular::open`], [`Regular::trusted`] and [`Regular::read`].
pub fn read_trusted(path: &Path, owner: u32, limit: usize) -> Result<Vec<u8>, RegularError> {
    Regular::open(path, Links::Refuse)?.trusted(owner)?.read(limit)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_read_whole_up_to_the_limit() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        for size in [0, 1, 4095, 4096, 4097, 100_000] {
            fs::write(&path, vec![b'x'; size]).unwrap();
            assert_eq!(read(&path, 100_000).unwrap().len(), size);
            assert_eq!(read(&path, size).unwrap().len(), size);
        }
        assert!(matches!(read(&path, 99_999), Err(RegularError::TooLong(99_999))));
    }

    #[test]
    fn what_does_not_say_its_size_is_read_whole_as_well() {
        let path = Path::new("/proc/self/maps");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        let text = read(path, 64 << 20).unwrap();
        assert_eq!(text.last(), Some(&b'\n'));
        assert!(text.windows(7).any(|part| part == b"[stack]"));
        assert!(matches!(read(path, 100), Err(RegularError::TooLong(100))));
    }

    #[test]
    fn a_file_that_grows_is_read_no_further_than_the_limit() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        fs::write(&path, "x").unwrap();
        let opened = Regular::open(&path, Links::Refuse).unwrap();
        let mut writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        writer.write_all(&[b'y'; 50]).unwrap();
        assert_eq!(opened.read(51).unwrap().len(), 51);
        writer.write_all(&[b'z'; 52]).unwrap();
        assert!(matches!(opened.read(51), Err(RegularError::TooLong(51))));
    }

    #[test]
    fn nothing_but_a_regular_file_is_read_and_nothing_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let fifo = root.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        let sparse = File::create(root.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        for (path, errno) in [
            (fifo.as_path(), Errno::INVAL),
            (&root.path().join("socket"), Errno::INVAL),
            (&root.path().join("sparse"), Errno::FBIG),
            (root.path(), Errno::ISDIR),
            (Path::new("/dev/zero"), Errno::INVAL),
            (&root.path().join("missing"), Errno::NOENT),
        ] {
            let error = read(path, 1000).unwrap_err();
            assert_eq!(error.errno(), errno, "{}", path.display());
            assert_eq!(error.is_missing(), errno == Errno::NOENT);
        }
    }

    #[test]
    fn a_link_is_followed_only_for_those_who_say_so() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("target"), "text").unwrap();
        symlink("target", root.path().join("link")).unwrap();
        let directory = File::open(root.path()).unwrap();
        let read = |links| read_at(&directory, Path::new("link"), links, 100);
        assert_eq!(read(Links::Follow).unwrap(), b"text");
        assert_eq!(read(Links::Refuse).unwrap_err().errno(), Errno::LOOP);
    }

    #[test]
    fn what_others_can_have_written_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        fs::write(&path, "text").unwrap();
        let me = rustix::process::geteuid().as_raw();
        for (mode, good) in [(0o600, true), (0o644, true), (0o755, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read_trusted(&path, me, 100);
            match read {
                Ok(text) => assert!(good && text == b"text", "{mode:o}"),
                Err(RegularError::NotTrusted(reason)) => {
                    assert_eq!((good, reason), (false, NotTrusted::Writable(mode)));
                }
                Err(error) => panic!("{error}"),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let other = me + 1;
        let error = read_trusted(&path, other, 100).unwrap_err();
        assert_eq!(error.to_string(), format!("it belongs to user {me}, not to user {other}"));
    }
}
