//! Where the file of a module is, and how it is reached.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modfile::ReadError;
use modfile::file::{self, ModuleFile};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use crate::tree::{self, Handle, OpenError, Tree};

/// The file of a module.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    path: Arc<Path>,
    /// The tree in which it was found, and where in the path that ends. A file that the caller named is in none.
    tree: Option<(Arc<Tree>, usize)>,
}

impl ModuleSource {
    /// A file of a tree.
    #[must_use]
    pub fn inside(tree: &Arc<Tree>, relative: &Path) -> Self {
        Self::spelled(tree, relative, &mut PathBuf::new())
    }

    /// The same for those who name many files: `buffer` is where their paths are put together.
    #[must_use]
    pub fn spelled(tree: &Arc<Tree>, relative: &Path, buffer: &mut PathBuf) -> Self {
        buffer.clear();
        buffer.push(tree.path());
        buffer.push(relative);
        let start = buffer.as_os_str().len().saturating_sub(relative.as_os_str().len());
        Self { path: Arc::from(buffer.as_path()), tree: Some((Arc::clone(tree), start)) }
    }

    /// A file that the caller named.
    #[must_use]
    pub fn named(path: &Path) -> Self {
        Self { path: Arc::from(path), tree: None }
    }

    /// Its whole path, as messages name it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file system says of the file, links followed. A link among the directories above is followed as well,
    /// so this says nothing about where the file is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn stat(&self) -> Result<Stat, OpenError> {
        let Some((tree, relative)) = self.inner() else { return Ok(rustix::fs::stat(&*self.path)?) };
        let look = || rustix::fs::statat(tree.handle(), relative, AtFlags::SYMLINK_NOFOLLOW);
        let stat = retry_on_intr(look)?;
        if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            return tree.stat(relative);
        }
        Ok(stat)
    }

    /// A handle on the file, links followed, which can only be asked about.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn handle(&self) -> Result<OwnedFd, OpenError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match self.inner() {
            None => Ok(retry_on_intr(|| rustix::fs::open(&*self.path, flags, Mode::empty()))?),
            Some((tree, relative)) => tree.open_at(relative, flags),
        }
    }

    /// Leaves its memory to the end of the process, and closes what is open.
    pub fn forget(self) {
        drop(self.tree);
        std::mem::forget(self.path);
    }

    fn inner(&self) -> Option<(&Arc<Tree>, &Path)> {
        let (tree, start) = self.tree.as_ref()?;
        Some((tree, Path::new(OsStr::from_bytes(self.path.as_os_str().as_bytes().get(*start..)?))))
    }

    /// The tree, the directory in it, and the name there.
    fn parts(&self) -> Option<(&Arc<Tree>, &Path, &OsStr)> {
        let (tree, relative) = self.inner()?;
        // The walk spelled it, without dots: there is no need to look at each part of it.
        let bytes = relative.as_os_str().as_bytes();
        let slash = bytes.iter().rposition(|&byte| byte == b'/');
        let directory = slash.and_then(|slash| bytes.get(..slash)).unwrap_or_default();
        let name = bytes.get(slash.map_or(0, |slash| slash + 1)..).filter(|name| !name.is_empty())?;
        Some((tree, Path::new(OsStr::from_bytes(directory)), OsStr::from_bytes(name)))
    }
}

/// A file that waits to be read, and the directory that it is in, if that is open.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The file.
    pub source: ModuleSource,
    /// Its directory.
    pub directory: Option<Handle>,
}

/// The directory of the last file that was looked at. Files of one directory come together, and with its handle the
/// kernel finds each without going through all directories above.
#[derive(Debug, Default)]
pub struct LastDirectory {
    entered: Option<Entered>,
    /// Whether a file could not be read without a trace: it is another user's.
    leaves_traces: bool,
}

impl LastDirectory {
    /// Opens a module file.
    ///
    /// # Errors
    /// [`ReadError::Io`], [`ReadError::NotRegular`].
    pub fn open(&mut self, source: &ModuleSource, opened: Option<&Handle>) -> Result<ModuleFile, ReadError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match source.parts() {
            None => tree::open_named(source.path()).map_err(OpenError::from),
            Some((tree, directory, name)) => match self.open_here(tree, directory, name, opened, flags) {
                Err(OpenError::System(Errno::LOOP)) => tree.open_at(&directory.join(name), flags),
                opened => opened,
            },
        };
        match opened {
            Err(OpenError::System(Errno::NXIO | Errno::NODEV)) => Err(ReadError::NotRegular),
            opened => file::opened(opened.map_err(std::io::Error::from)?),
        }
    }

    /// Opens what is no link. The time of the last access stays as it is, where the kernel lets it: after an
    /// installation it would change for each file, and go to the disk.
    fn open_here(
        &mut self,
        tree: &Arc<Tree>,
        directory: &Path,
        name: &OsStr,
        opened: Option<&Handle>,
        flags: OFlags,
    ) -> Result<OwnedFd, OpenError> {
        let handle = match opened {
            Some(opened) => opened,
            None => enter(&mut self.entered, tree, directory)?,
        };
        let flags = flags | OFlags::NOFOLLOW;
        let open = |flags| retry_on_intr(|| rustix::fs::openat(handle, name, flags, Mode::empty()));
        if !self.leaves_traces {
            match open(flags | OFlags::NOATIME) {
                Err(Errno::PERM) => self.leaves_traces = true,
                opened => return Ok(opened?),
            }
        }
        Ok(open(flags)?)
    }
}

/// A directory that was entered: its tree, its path there, and its handle.
type Entered = (Arc<Tree>, PathBuf, OwnedFd);

/// The handle of a directory, which may be entered already.
fn enter<'e>(
    entered: &'e mut Option<Entered>,
    tree: &Arc<Tree>,
    directory: &Path,
) -> Result<&'e OwnedFd, OpenError> {
    let is_it = |(open_tree, open, _): &Entered| {
        Arc::ptr_eq(open_tree, tree) && open.as_os_str() == directory.as_os_str()
    };
    if !entered.as_ref().is_some_and(is_it) {
        *entered = None;
        let handle = tree.open_at(directory, OFlags::PATH | OFlags::DIRECTORY)?;
        *entered = Some((Arc::clone(tree), directory.to_owned(), handle));
    }
    entered.as_ref().map(|(.., handle)| handle).ok_or(OpenError::System(Errno::BADF))
}
