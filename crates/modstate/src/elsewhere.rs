//! A wish that a module stay, noted where every container and chroot on the machine shows it: as the time of the last
//! change of `/sys/module/NAME/initstate`.
//!
//! A pin lies in `/run`, and whoever calls modprobe in a container or chroot may have another one than the pass that
//! unloads idle modules. The kernel keeps the times that somebody gave to a file of sysfs with the module itself, for
//! all mounts of sysfs alike, and forgets them with this load of the module. It is a file, since the times of a
//! directory change when entries come and go.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use crate::directory::name_of;

/// A time that nothing else has: a second after the beginning of 1970.
const NOTE_SECONDS: i64 = 1;

/// Notes that somebody wants the present load of a module, whose directory is in `sys_module` (`/sys/module`).
///
/// # Errors
/// It is not loaded, sysfs is mounted to be read only, or the root of this user namespace is not the machine's.
pub fn note(sys_module: &Path, module: &ModuleName) -> io::Result<()> {
    let file = file(sys_module, module).ok_or(io::ErrorKind::InvalidInput)?;
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let noted = Timespec { tv_sec: NOTE_SECONDS, tv_nsec: 0 };
    let times = Timestamps { last_access: omitted, last_modification: noted };
    Ok(utimensat(CWD, &file, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Whether somebody noted that.
///
/// # Errors
/// It cannot be found out.
pub fn is_noted(sys_module: &Path, module: &ModuleName) -> io::Result<bool> {
    let Some(file) = file(sys_module, module) else { return Ok(false) };
    match std::fs::symlink_metadata(&file) {
        Ok(metadata) => Ok((metadata.mtime(), metadata.mtime_nsec()) == (NOTE_SECONDS, 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn file(sys_module: &Path, module: &ModuleName) -> Option<PathBuf> {
    Some(sys_module.join(name_of(module)?).join("initstate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_seen_and_belongs_to_one_module() {
        let sys_module = tempfile::tempdir().unwrap();
        let at = sys_module.path();
        for module in ["a", "b"] {
            std::fs::create_dir(at.join(module)).unwrap();
            std::fs::write(at.join(module).join("initstate"), "live\n").unwrap();
        }
        assert!(!is_noted(at, &"a".into()).unwrap());
        note(at, &"a".into()).unwrap();
        assert!(is_noted(at, &"a".into()).unwrap());
        assert!(!is_noted(at, &"b".into()).unwrap());
        assert!(!is_noted(at, &"gone".into()).unwrap());
        assert_eq!(note(at, &"gone".into()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
