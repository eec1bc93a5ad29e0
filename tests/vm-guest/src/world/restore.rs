//! Puts the world back in order between scenarios: modules, processes, mounts, settings and files.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use super::mounts::{provide, remount_root};
use super::{MODPROBE, PROC, WORK, World, loaded_modules, set_kernel_modprobe};
use crate::catalog::Mounts;

/// Directories that belong to the scenario alone: whatever is in them goes.
const SCRATCH: [&str; 7] = [
    "/etc/modprobe.d",
    "/etc/depmod.d",
    "/etc/modutils.d",
    "/run/modprobe.d",
    "/run/modutils",
    "/var/lib/modutils",
    WORK,
];

/// How long the kernel may take to drop the last uses of a module after its user is gone.
const SETTLING: Duration = Duration::from_secs(10);

/// What the world is put back to.
pub struct Baseline {
    modules: Vec<String>,
    database: BTreeMap<PathBuf, Vec<u8>>,
}

impl Baseline {
    /// Notes what is there now.
    ///
    /// # Errors
    /// When the module list or the database cannot be read.
    pub fn take(world: &World) -> Result<Self> {
        let mut database = BTreeMap::new();
        for path in database_files(world)? {
            database.insert(path.clone(), fs::read(&path)?);
        }
        Ok(Self { modules: loaded_modules()?.into_keys().collect(), database })
    }

    /// Puts everything back. Modules that cannot be removed become part of the baseline, so that one scenario
    /// does not fail those after it.
    ///
    /// # Errors
    /// Says what is left behind; everything else has been restored all the same.
    pub fn restore(&mut self, world: &World) -> Result<()> {
        end_processes()?;
        let left_behind = fs::read_to_string(super::left_behind_path()).unwrap_or_default();
        self.modules.extend(left_behind.lines().map(str::to_owned));
        // A file may still be open for writing in a process that is just ending; the next line tells.
        remount_root(MountFlags::empty()).context("cannot make the root writable")?;
        unmount_scratch()?;
        provide(world.mounts)?;
        if world.mounts == Mounts::System && !Path::new("/dev/null").exists() {
            let mode = Mode::from_raw_mode(0o666);
            mknodat(CWD, "/dev/null", FileType::CharacterDevice, mode, makedev(1, 3))?;
        }
        set_kernel_modprobe(MODPROBE)?;
        point_links_at(0)?;
        let _ = fs::remove_file("/dev/log");
        for directory in SCRATCH {
            empty(Path::new(directory)).with_context(|| format!("cannot empty {directory}"))?;
        }
        if world.hidden_modules_dir().is_dir() {
            fs::rename(world.hidden_modules_dir(), world.modules_dir())?;
        }
        self.restore_database(world)?;
        self.remove_modules()
    }

    fn restore_database(&self, world: &World) -> Result<()> {
        for path in database_files(world)? {
            if !self.database.contains_key(&path) {
                remove(&path)?;
            }
        }
        for (path, content) in &self.database {
            // What is no file is not read: a fifo would never end.
            let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
            if !is_file || fs::read(path).ok().as_ref() != Some(content) {
                remove(path)?;
                fs::write(path, content).with_context(|| format!("cannot restore {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn remove_modules(&mut self) -> Result<()> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let extra: Vec<_> = loaded_modules()?
                .into_iter()
                .filter(|(name, module)| !module.permanent && !self.modules.contains(name))
                .collect();
            if extra.is_empty() {
                return Ok(());
            }
            let mut removed = false;
            for (name, _) in &extra {
                removed |= remove_module(name).is_ok();
            }
            if removed {
                continue;
            }
            if Instant::now() > deadline {
                let left: Vec<_> = extra.into_iter().map(|(name, _)| name).collect();
                self.modules.extend(left.clone());
                bail!("modules left behind that the kernel does not remove: {left:?}");
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// Removes a module by the system call itself: never by force, never blocking.
///
/// # Errors
/// What the kernel says.
pub fn remove_module(name: &str) -> Result<()> {
    let name = CString::new(name)?;
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits())?;
    Ok(rustix::system::delete_module(&name, nonblock)?)
}

/// Makes `/sbin` and the library directories those of one of the sets of tools below `/subjects`.
///
/// # Errors
/// When a link cannot be made.
pub fn point_links_at(subject: usize) -> Result<()> {
    for (link, directory) in crate::world::SUBJECT_LINKS {
        let target = PathBuf::from(format!("/subjects/{subject}/{directory}"));
        if fs::read_link(link).ok().as_ref() == Some(&target) {
            continue;
        }
        let fresh = format!("{link}.new");
        let _ = fs::remove_file(&fresh);
        symlink(&target, &fresh).with_context(|| format!("cannot make {fresh}"))?;
        fs::rename(&fresh, link).with_context(|| format!("cannot replace {link}"))?;
    }
    Ok(())
}

fn database_files(world: &World) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(world.modules_dir())? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"modules.") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Kills whatever still runs but this process and kernel threads, and collects it.
fn end_processes() -> Result<()> {
    for entry in fs::read_dir(PROC)? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Kernel threads and the dead have no command line.
        let alive = fs::read(entry.path().join("cmdline")).is_ok_and(|line| !line.is_empty());
        if alive && let Some(pid) = Pid::from_raw(pid).filter(|pid| *pid != Pid::INIT) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    Ok(())
}

/// Unmounts whatever a scenario mounted in its directories, innermost first.
fn unmount_scratch() -> Result<()> {
    let mounts = fs::read_to_string(Path::new(PROC).join("self/mounts"))?;
    let is_scratch = |place: &Path| {
        SCRATCH.iter().any(|directory| place.starts_with(directory)) && place != Path::new(WORK)
    };
    for place in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
        if is_scratch(Path::new(place)) {
            unmount(place, UnmountFlags::DETACH).with_context(|| format!("cannot unmount {place}"))?;
        }
    }
    Ok(())
}

fn empty(directory: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        remove(&entry?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)?;
    } else if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    Ok(())
}
