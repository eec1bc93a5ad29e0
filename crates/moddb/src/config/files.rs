// long: which files count, how they are reached and read, and trees of them
//! Which configuration files count, and in which order.
//!
//! The files of all directories are merged and sorted by base name in byte order; of two with the same base
//! name the one from the earlier directory counts. So `/etc/modprobe.d/x.conf` masks `/lib/modprobe.d/x.conf`,
//! also when it is a link to `/dev/null`. Nothing here knows what the files say.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::Gravity;

/// The longest configuration file that is read, in bytes.
pub const LONGEST_FILE: usize = 64 << 20;

/// The longest file of the module directory that is read as configuration, in bytes, and the longest that is written.
/// Those of real kernels have some thousand.
pub const LONGEST_BESIDE_MODULES: usize = 4 << 20;

/// What is wrong with a configuration file or directory; the others count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// An entry of a directory leads nowhere, such as a dangling link.
    CannotStat {
        /// The entry.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// An entry of a directory has a configuration file's name but is a directory.
    DirectoryInside(PathBuf),
    /// An entry of a directory has a configuration file's name but is a fifo, a socket or a device other than
    /// `/dev/null`. kmod reads it, and may wait for ever.
    NotAFile(PathBuf),
    /// A configuration directory cannot be listed.
    CannotList {
        /// The directory.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// A file that counts cannot be read.
    CannotRead {
        /// The file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// A file is longer than such a file may be; nothing of it counts.
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it may be, in bytes.
        limit: usize,
    },
}

impl FileProblem {
    /// The file or directory it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::DirectoryInside(path) | Self::NotAFile(path) | Self::TooLong { path, .. } => path,
            Self::CannotStat { path, .. } | Self::CannotList { path, .. } | Self::CannotRead { path, .. } => {
                path
            }
        }
    }

    /// What is wrong, as kmod words it, without the system's [`reason`](Self::reason). The path stays as it is: it
    /// need not be UTF-8.
    #[must_use]
    pub fn sentence(&self) -> Vec<u8> {
        let path = self.path().as_os_str().as_bytes();
        let (before, after) = match self {
            Self::CannotStat { .. } => ("Cannot stat directory entry: ", String::new()),
            Self::DirectoryInside(_) => ("Directories inside directories are not supported: ", String::new()),
            Self::NotAFile(_) => ("Not a file, ignored: ", String::new()),
            Self::CannotList { .. } => ("opendir(", ")".to_owned()),
            Self::CannotRead { .. } => ("file parse ", String::new()),
            Self::TooLong { limit, .. } => ("file parse ", format!(": longer than {limit} bytes")),
        };
        [before.as_bytes(), path, after.as_bytes()].concat()
    }

    /// The system's reason, where the sentence is to be followed by one.
    #[must_use]
    pub fn reason(&self) -> Option<Errno> {
        match self {
            Self::CannotList { errno, .. } | Self::CannotRead { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// All of these lose settings that somebody wrote.
    #[must_use]
    pub fn severity(&self) -> Gravity {
        Gravity::Error
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.sentence()))
    }
}

/// How a file came to count, which decides what kinds of file are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In a configuration directory: regular files and `/dev/null`.
    InDirectory,
    /// Named by the user: anything that can be read, and a pipe is waited for.
    Named,
    /// In the module directory, which need not have it.
    BesideModules,
}

/// A file that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The path through which it was found.
    pub path: PathBuf,
    /// How it was found.
    pub found: Found,
    /// Whether its directory says that it is a regular file, so that it need not be asked.
    is_regular: bool,
}

/// How the files and directories of a configuration are reached by their paths.
pub trait Reach {
    /// Opens what is at a path, links followed. The handle is not inherited by programs that are started.
    ///
    /// # Errors
    /// What the system said.
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno>;

    /// What the system says of what is at a path, links followed.
    ///
    /// # Errors
    /// What the system said.
    fn stat(&self, path: &Path) -> Result<Stat, Errno>;
}

/// The paths mean what they mean to every program.
#[derive(Clone, Copy, Debug)]
pub struct Directly;

impl Reach for Directly {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
    }

    fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        rustix::fs::stat(path)
    }
}

/// Files by their names, or why one does not count.
type Listing = BTreeMap<OsString, Result<ConfigFile, FileProblem>>;

/// The files that count, in the order in which they are parsed, and what was wrong on the way.
///
/// `paths` are directories or single files, first ones first; what is missing is skipped. `beside` are files of
/// the module directory that take part under their own names and need not exist.
#[must_use]
fn list(paths: &[PathBuf], beside: &[PathBuf], reach: &dyn Reach) -> (Vec<ConfigFile>, Vec<FileProblem>) {
    let mut files = Listing::new();
    let mut problems = Vec::new();
    let mut add = |name: OsString, file: ConfigFile| {
        files.entry(name).or_insert(Ok(file));
    };
    let named = |path: &Path, found: Found| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_owned();
        (name, ConfigFile { path: path.to_owned(), found, is_regular: false })
    };
    for path in beside {
        let (name, file) = named(path, Found::BesideModules);
        add(name, file);
    }
    for path in paths {
        match list_directory(path, reach) {
            Ok(entries) => {
                for (name, entry) in entries {
                    match entry {
                        Ok(file) => add(name, file),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(Errno::NOENT) => {}
            Err(errno) => match reach.stat(path) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                    problems.push(FileProblem::CannotList { path: path.clone(), errno });
                }
                Ok(_) => {
                    let (name, file) = named(path, Found::Named);
                    add(name, file);
                }
                Err(_) => {}
            },
        }
    }
    (files.into_values().flatten().collect(), problems)
}

/// The entries of a directory that have a configuration file's name.
fn list_directory(path: &Path, reach: &dyn Reach) -> Result<Listing, Errno> {
    let directory = reach.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut listing = RawDir::new(directory, &mut buffer);
    let mut entries = Listing::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if is_config_name(name) {
            let (path, kind) = (path.join(name), entry.file_type());
            let is_regular = kind == FileType::RegularFile;
            let found = check(&path, kind, reach);
            let file = found.map(|()| ConfigFile { path, found: Found::InDirectory, is_regular });
            entries.insert(name.to_owned(), file);
        }
    }
    Ok(entries)
}

/// Whether a directory's entry of that name is a configuration file.
fn is_config_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.len() >= 6 && !name.starts_with(b".") && name.ends_with(b".conf")
}

/// Whether an entry is of a kind that is read. Most file systems say the kind in the listing.
fn check(path: &Path, kind: FileType, reach: &dyn Reach) -> Result<(), FileProblem> {
    if kind == FileType::RegularFile {
        return Ok(());
    }
    let stat = reach.stat(path).map_err(|errno| FileProblem::CannotStat { errno, path: path.to_owned() })?;
    let is_null = stat.st_rdev == rustix::fs::makedev(1, 3);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Err(FileProblem::DirectoryInside(path.to_owned())),
        FileType::RegularFile => Ok(()),
        FileType::CharacterDevice if is_null => Ok(()),
        _ => Err(FileProblem::NotAFile(path.to_owned())),
    }
}

/// Has every file of [`list`] parsed, in order; returns what was wrong with finding and reading them, worded by
/// `of_file`, and with what they say.
pub fn parse_all<P>(
    paths: &[PathBuf],
    beside: &[PathBuf],
    of_file: impl Fn(FileProblem) -> P,
    parse: impl FnMut(&Path, &[u8]) -> Vec<P>,
) -> Vec<P> {
    parse_all_by(&Directly, paths, beside, of_file, parse)
}

/// The same for files that are reached in another way.
pub fn parse_all_by<P>(
    reach: &dyn Reach,
    paths: &[PathBuf],
    beside: &[PathBuf],
    of_file: impl Fn(FileProblem) -> P,
    mut parse: impl FnMut(&Path, &[u8]) -> Vec<P>,
) -> Vec<P> {
    let (found, problems) = list(paths, beside, reach);
    let mut problems: Vec<P> = problems.into_iter().map(&of_file).collect();
    for file in found {
        match read(&file, reach) {
            Ok(text) => problems.extend(parse(&file.path, &text.unwrap_or_default())),
            Err(problem) => problems.push(of_file(problem)),
        }
    }
    problems
}

/// The contents of a file that counts; `None` if there is no such file and there need not be.
///
/// # Errors
/// The system's refusal, or [`FileProblem::TooLong`].
fn read(file: &ConfigFile, reach: &dyn Reach) -> Result<Option<Vec<u8>>, FileProblem> {
    let path = &file.path;
    let limit = if file.found == Found::BesideModules { LONGEST_BESIDE_MODULES } else { LONGEST_FILE };
    let patience = if file.found == Found::Named { OFlags::empty() } else { OFlags::NONBLOCK };
    let opened = reach.open(path, OFlags::RDONLY | OFlags::NOCTTY | patience);
    match opened.and_then(|fd| read_up_to(&fd, file.is_regular, limit)) {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => Err(FileProblem::TooLong { path: path.clone(), limit }),
        Err(Errno::NOENT) if file.found == Found::BesideModules => Ok(None),
        Err(errno) => Err(FileProblem::CannotRead { path: path.clone(), errno }),
    }
}

/// All bytes of a file, or `None` if there are more than `limit`.
fn read_up_to(fd: &OwnedFd, is_regular: bool, limit: usize) -> Result<Option<Vec<u8>>, Errno> {
    let stat = if is_regular { None } else { Some(rustix::fs::fstat(fd)?) };
    let is_regular = stat.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    // One byte more than it should have: a read that does not fill this was the last one.
    let expected = match stat {
        Some(stat) if is_regular => usize::try_from(stat.st_size).unwrap_or(0).max(15),
        _ => 4095,
    };
    let mut bytes = Vec::new();
    grow(&mut bytes, expected.min(limit) + 1)?;
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        let wanted = room.len();
        let read = rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut *room))?;
        filled += read;
        if read == 0 || (is_regular && read < wanted) {
            bytes.truncate(filled);
            return Ok((filled <= limit).then_some(bytes));
        }
        if filled == bytes.len() && filled <= limit {
            grow(&mut bytes, (filled * 2).clamp(4096, limit + 1))?;
        }
    }
    Ok(None)
}

/// Lengthens a buffer to a size that a file decides: the C library's caller outlives a refusal of memory.
fn grow(bytes: &mut Vec<u8>, size: usize) -> Result<(), Errno> {
    bytes.try_reserve_exact(size.saturating_sub(bytes.len())).map_err(|_| Errno::NOMEM)?;
    bytes.resize(size, 0);
    Ok(())
}

/// The first bytes of a regular file or of one of the kernel's, at most `limit`: one read returns all there are.
pub(crate) fn read_beginning(path: &Path, limit: usize) -> Result<Vec<u8>, Errno> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    let mut bytes = vec![0; limit];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&fd, bytes.as_mut_slice()))?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn names(files: &[ConfigFile], root: &Path) -> Vec<String> {
        files
            .iter()
            .map(|file| file.path.strip_prefix(root).unwrap_or(&file.path).display().to_string())
            .collect()
    }

    #[test]
    fn files_are_sorted_by_base_name_and_the_earlier_directory_wins() -> Outcome {
        let root = tempfile::tempdir()?;
        let [etc, lib] = ["etc", "lib"].map(|name| root.path().join(name));
        for directory in [&etc, &lib] {
            fs::create_dir(directory)?;
        }
        for name in
            ["etc/m.conf", "lib/m.conf", "lib/a.conf", "lib/z.conf", "lib/.h.conf", "lib/no.txt", "one"]
        {
            fs::write(root.path().join(name), "")?;
        }
        let paths = [etc, lib, root.path().join("one"), root.path().join("missing")];
        let (files, problems) = list(&paths, &[root.path().join("modules.softdep")], &Directly);
        assert_eq!(
            names(&files, root.path()),
            ["lib/a.conf", "etc/m.conf", "modules.softdep", "one", "lib/z.conf"]
        );
        assert_eq!(problems, []);
        Ok(())
    }

    #[test]
    fn what_is_no_file_is_reported_and_masks_nothing() -> Outcome {
        let root = tempfile::tempdir()?;
        let [etc, lib] = ["etc", "lib"].map(|name| root.path().join(name));
        fs::create_dir_all(etc.join("d.conf"))?;
        fs::create_dir(&lib)?;
        fs::write(lib.join("d.conf"), "")?;
        symlink("nowhere", etc.join("s.conf"))?;
        symlink("/dev/zero", etc.join("zero.conf"))?;
        symlink("/dev/null", etc.join("null.conf"))?;
        let (files, problems) = list(&[etc.clone(), lib], &[], &Directly);
        assert_eq!(names(&files, root.path()), ["lib/d.conf", "etc/null.conf"]);
        assert_eq!(
            problems,
            [
                FileProblem::DirectoryInside(etc.join("d.conf")),
                FileProblem::CannotStat { path: etc.join("s.conf"), errno: Errno::NOENT },
                FileProblem::NotAFile(etc.join("zero.conf")),
            ]
        );
        Ok(())
    }

    fn read_path(path: &Path, is_regular: bool, limit: usize) -> Result<Option<Vec<u8>>, Errno> {
        read_up_to(&Directly.open(path, OFlags::RDONLY)?, is_regular, limit)
    }

    #[test]
    fn a_file_is_read_whole_and_an_endless_one_is_refused() -> Outcome {
        let root = tempfile::tempdir()?;
        let path = root.path().join("a.conf");
        for size in [0, 1, 4095, 4096, 4097, 100_000] {
            fs::write(&path, vec![b'x'; size])?;
            for is_regular in [false, true] {
                let bytes = read_path(&path, is_regular, 100_000)?.map(|bytes| bytes.len());
                assert_eq!(bytes, Some(size));
            }
        }
        assert_eq!(read_path(&path, false, 99_999)?, None);
        assert_eq!(read_path(Path::new("/dev/zero"), false, 10_000)?, None);
        assert_eq!(read_path(Path::new("/dev/null"), false, 10_000)?, Some(Vec::new()));
        Ok(())
    }

    #[test]
    fn only_a_file_of_the_module_directory_may_be_missing() {
        let missing = |found| ConfigFile { path: PathBuf::from("missing/file"), found, is_regular: false };
        let read = |file: ConfigFile| read(&file, &Directly);
        assert_eq!(read(missing(Found::BesideModules)), Ok(None));
        assert!(matches!(
            read(missing(Found::InDirectory)),
            Err(FileProblem::CannotRead { errno: Errno::NOENT, .. })
        ));
    }
}
