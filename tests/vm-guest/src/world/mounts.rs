//! What is mounted where: the init's own view below `/vm`, and what the tools under test find.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{PROC, SYS, WORK};
use crate::catalog::Mounts;
use crate::trace;

/// What the tools find after a boot: file system type and place.
const SYSTEM: [(&str, &str); 4] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")];

/// Mounts what the init itself needs to observe.
///
/// # Errors
/// Names the mount that failed.
pub fn observe() -> Result<()> {
    for (kind, place) in [("tmpfs", WORK), ("proc", PROC), ("sysfs", SYS), ("tracefs", trace::TRACING)] {
        mount_at(kind, place)?;
    }
    Ok(())
}

/// Mounts what the tools are to find, as far as it is not there yet.
///
/// # Errors
/// Names the mount that failed.
pub fn provide(mounts: Mounts) -> Result<()> {
    if mounts == Mounts::Nothing {
        return Ok(());
    }
    let mounted = fs::read_to_string(Path::new(PROC).join("self/mounts"))?;
    for (kind, place) in SYSTEM {
        if !mounted.lines().any(|line| line.split(' ').nth(1) == Some(place)) {
            mount_at(kind, place)?;
        }
    }
    Ok(())
}

fn mount_at(kind: &str, place: &str) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
    mount(kind, place, kind, MountFlags::empty(), None)
        .with_context(|| format!("cannot mount {kind} on {place}"))
}

/// Something that the tools do not find as long as this lives.
pub struct Unmounted(Hidden);

enum Hidden {
    Mount { kind: &'static str, place: &'static str },
    Node { path: PathBuf, device: u64 },
    Writing,
}

impl Unmounted {
    /// Takes the file system from `place` away: one of those that [`provide`] mounts.
    ///
    /// # Errors
    /// When nothing is to be found there.
    pub fn of(place: &'static str) -> Result<Self> {
        let (kind, _) = SYSTEM
            .into_iter()
            .find(|(_, known)| *known == place)
            .with_context(|| format!("{place} is not mounted by the init"))?;
        unmount(place, UnmountFlags::DETACH).with_context(|| format!("cannot unmount {place}"))?;
        Ok(Self(Hidden::Mount { kind, place }))
    }

    /// Removes the node of a character device.
    ///
    /// # Errors
    /// When it is not there.
    pub fn node(path: &str, major: u32, minor: u32) -> Result<Self> {
        fs::remove_file(path).with_context(|| format!("cannot remove {path}"))?;
        Ok(Self(Hidden::Node { path: path.into(), device: makedev(major, minor) }))
    }

    /// Makes the root file system read-only.
    ///
    /// # Errors
    /// When the kernel refuses, as long as a file on it is open for writing.
    pub fn root_writing() -> Result<Self> {
        remount_root(MountFlags::RDONLY).context("cannot make the root read-only")?;
        Ok(Self(Hidden::Writing))
    }
}

/// Makes the root file system writable, or read-only.
pub(super) fn remount_root(flags: MountFlags) -> io::Result<()> {
    Ok(rustix::mount::mount_remount("/", flags | MountFlags::BIND, "")?)
}

impl Drop for Unmounted {
    fn drop(&mut self) {
        // What fails here is noticed and repaired when the init restores the world.
        match &self.0 {
            Hidden::Mount { kind, place } => {
                let _ = mount(*kind, *place, *kind, MountFlags::empty(), None);
            }
            Hidden::Node { path, device } => {
                let mode = Mode::from_raw_mode(0o666);
                let _ = mknodat(CWD, path, FileType::CharacterDevice, mode, *device);
            }
            Hidden::Writing => {
                let _ = remount_root(MountFlags::empty());
            }
        }
    }
}
