//! Small files that are replaced as a whole: a reader sees the old text or the new one, never a part.
//!
//! Nothing here waits: what is no regular file is refused, not opened for good. Links are not followed.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use rustix::fs::OFlags;

/// The longest file that is read, in bytes. Ours are a hundred times shorter.
pub const LONGEST_FILE: u64 = 1 << 20;

/// Whether a file must outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It stands in a file system in memory.
    Volatile,
    /// It is on disk before the old one goes.
    Durable,
}

/// The file or directory of a module; `None` for a name that is no file name, or a hidden one.
pub(crate) fn of_module(directory: &Path, module: &ModuleName) -> Option<PathBuf> {
    let name = module.as_bytes();
    let fits = !name.is_empty() && name.len() <= 255 && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
    fits.then(|| directory.join(OsStr::from_bytes(name)))
}

/// Opens a regular file for reading, following no link at its end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(flags()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// All bytes of a small file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_open(&open(path)?)
}

/// All bytes of an open small file.
pub(crate) fn read_open(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(512);
    file.take(LONGEST_FILE + 1).read_to_end(&mut text)?;
    let fits = u64::try_from(text.len()).is_ok_and(|len| len <= LONGEST_FILE);
    if fits { Ok(text) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

/// Permissions of a file that everybody may read.
pub(crate) const FOR_ALL: u32 = 0o644;
/// Permissions of a file with values that not everybody may be able to read where they come from.
pub(crate) const FOR_OWNER: u32 = 0o600;

/// Puts `text` in the place of the file at `path`, with these permissions. The directory must exist.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let temporary = directory.join(hidden);
    let written = write_new(&temporary, text, mode, durability).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may not be ours to remove, or not there: what counts is why it could not be written.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    if durability == Durability::Durable { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn write_new(path: &Path, text: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FOR_OWNER).custom_flags(flags());
    let open = || options.open(path);
    let mut file = match open() {
        // It bears our process id: the process that left it is dead.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()?
        }
        opened => opened?,
    };
    file.write_all(text)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    if durability == Durability::Durable { file.sync_all() } else { Ok(()) }
}

fn flags() -> i32 {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    i32::try_from(flags.bits()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        for text in ["one", "two"] {
            replace(&path, text.as_bytes(), FOR_ALL, Durability::Durable).unwrap();
            assert_eq!(read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        // A directory that is not empty cannot be replaced by a file.
        let path = root.path().join("a");
        fs::create_dir_all(path.join("b")).unwrap();
        assert!(replace(&path, b"text", FOR_ALL, Durability::Volatile).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_dead_process_of_our_number_left_is_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(format!(".a.{}", std::process::id())), "half").unwrap();
        replace(&root.path().join("a"), b"whole", FOR_ALL, Durability::Volatile).unwrap();
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_directories_and_endless_files_are_not_read() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("target"), "x").unwrap();
        symlink("target", root.path().join("link")).unwrap();
        fs::write(root.path().join("long"), vec![b'x'; usize::try_from(LONGEST_FILE).unwrap() + 1]).unwrap();
        for name in ["link", "long", "."] {
            assert!(read(&root.path().join(name)).is_err(), "{name}");
        }
        assert!(read(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_name_with_a_slash_has_no_file() {
        for (name, good) in
            [("a", true), ("", false), ("a/b", false), ("/", false), ("..", false), ("a\0", false)]
        {
            assert_eq!(of_module(Path::new("/d"), &name.into()).is_some(), good, "{name:?}");
        }
    }
}
