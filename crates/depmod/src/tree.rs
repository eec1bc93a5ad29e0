//! A directory tree that may belong to somebody else.
//!
//! depmod runs as root, also in trees of users: `make modules_install INSTALL_MOD_PATH=~/image`. Whoever owns a
//! directory can exchange what is in it at any moment, so a tree is opened once, and everything in it is reached
//! through that handle. A symbolic link in it is followed wherever it leads if root or the caller made it. Another
//! user's link counts as far as it stays inside of the tree: otherwise its owner could make root read or write any
//! file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modcli::errno;
use modfile::regular::{Regular, RegularError};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

/// How many links are followed on the way to one file, the same as in the kernel.
const LINKS_LIMIT: usize = 40;

/// Flags for a handle through which a directory is reached, but not read.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory, which is closed when nobody needs it any more.
pub type Handle = Arc<OwnedFd>;

/// Why something in a tree was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("{0}")]
    System(#[from] Errno),
    /// A link of another user leads out of the tree.
    #[error("a link that user {owner} made leads out of the tree")]
    Leaves {
        /// The link's owner.
        owner: u32,
    },
    /// It is there, but is not a regular file, or is larger than what is read.
    #[error(transparent)]
    NotRead(#[from] RegularError),
}

impl OpenError {
    /// Whether that is not a fault: nothing is there, or nothing that anybody would read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::System(errno) => matches!(*errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP),
            Self::NotRead(RegularError::NotRegular(_)) => true,
            Self::Leaves { .. } | Self::NotRead(_) => false,
        }
    }

    /// A copy, which of a file that was not read keeps the error number alone.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::System(errno) => Self::System(*errno),
            Self::Leaves { owner } => Self::Leaves { owner: *owner },
            Self::NotRead(error) => Self::System(error.errno()),
        }
    }

    /// The reason in the words of all tools.
    #[must_use]
    pub fn reason(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::Leaves { .. } => self.to_string().into(),
            Self::System(errno) => errno::reason(&(*errno).into()),
            Self::NotRead(RegularError::Io(error)) => errno::reason(error),
            Self::NotRead(RegularError::NotRegular(FileType::Directory)) => {
                errno::reason(&Errno::ISDIR.into())
            }
            Self::NotRead(error) => errno::chain(error).into(),
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::System(errno) => errno.into(),
            // No error number says this; programs know this one as "not permitted".
            OpenError::Leaves { .. } => Errno::PERM.into(),
            OpenError::NotRead(error) => error.into(),
        }
    }
}

/// What an absolute link in a tree is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absolute {
    /// The system that runs.
    System,
    /// The tree, as if it were the root directory. Nothing leads out of it then.
    Tree,
}

/// An open directory tree.
#[derive(Debug)]
pub struct Tree {
    handle: OwnedFd,
    path: PathBuf,
    /// What absolute links in it mean.
    absolute: Absolute,
    /// The directory that is to be taken for the root, if this one lies in such a directory.
    root: Option<Box<Root>>,
}

/// The root directory that the caller named, and the way from there.
#[derive(Debug)]
struct Root {
    tree: Tree,
    within: PathBuf,
}

impl Tree {
    /// Opens the directory that the caller names, through any links. If it is to be taken for the root directory,
    /// nothing in it leads out.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(path: &Path, is_root: bool) -> Result<Self, Errno> {
        let handle = retry_on_intr(|| rustix::fs::open(path, HANDLE, Mode::empty()))?;
        let absolute = if is_root || path == Path::new("/") { Absolute::Tree } else { Absolute::System };
        Ok(Self { handle, path: path.to_owned(), absolute, root: None })
    }

    /// Opens a directory of this tree as a tree of its own. `path` is what it is called.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn subtree(&self, relative: &Path, path: &Path) -> Result<Self, OpenError> {
        let handle = self.open_at(relative, HANDLE)?;
        let is_root_named = self.absolute == Absolute::Tree && self.path != Path::new("/");
        let root = if is_root_named {
            let handle = self.handle.try_clone().map_err(|error| errno_of(&error))?;
            let tree = Self { handle, path: self.path.clone(), absolute: Absolute::Tree, root: None };
            Some(Box::new(Root { tree, within: relative.to_owned() }))
        } else {
            None
        };
        Ok(Self { handle, path: path.to_owned(), absolute: Absolute::System, root })
    }

    /// The same, and every directory on the way that is missing is made: for all to read, whatever the umask.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn make_subtree(&self, relative: &Path, path: &Path) -> Result<Self, OpenError> {
        let old = rustix::process::umask(Mode::WGRP | Mode::WOTH);
        let made = self.make_directories(relative);
        rustix::process::umask(old);
        made?;
        self.subtree(relative, path)
    }

    fn make_directories(&self, relative: &Path) -> Result<(), OpenError> {
        let mut so_far = PathBuf::new();
        for part in relative {
            let parent = self.open_at(&so_far, HANDLE)?;
            match retry_on_intr(|| rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o755))) {
                Ok(()) | Err(Errno::EXIST) => so_far.push(part),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The root directory that the caller named, if this one was opened in it: nothing here leads out of that.
    #[must_use]
    pub fn root(&self) -> Option<&Self> {
        self.root.as_ref().map(|root| &root.tree)
    }

    /// The path under which it was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself.
    #[must_use]
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Opens something in the tree.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_at(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, OpenError> {
        let flags = flags | OFlags::CLOEXEC;
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        if self.absolute == Absolute::System {
            // The kernel does it at once where nothing leads out of the tree.
            let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            let open = || rustix::fs::openat2(&self.handle, relative, flags, Mode::empty(), inside);
            match retry_on_intr(open) {
                // It leads out, or the kernel is older than 5.6, or a filter does not know the call.
                Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::LOOP) => {}
                opened => return Ok(opened?),
            }
        }
        if let Some(root) = &self.root {
            return root.tree.open_at(&root.within.join(relative), flags);
        }
        Resolution::new(self, self.absolute).open(relative.as_os_str().as_bytes(), flags)
    }

    /// All bytes of a regular file of the tree that has no more than `limit`; nothing is waited for.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(&self, relative: &Path, absolute: Absolute, limit: usize) -> Result<Vec<u8>, OpenError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = match absolute {
            Absolute::System => self.open_at(relative, flags),
            Absolute::Tree => {
                Resolution::new(self, absolute).open(relative.as_os_str().as_bytes(), flags | OFlags::CLOEXEC)
            }
        };
        match opened {
            // A socket, or a device without a driver.
            Err(OpenError::System(Errno::NXIO | Errno::NODEV)) => {
                Err(RegularError::NotRegular(FileType::Unknown).into())
            }
            opened => Ok(Regular::opened(opened?)?.read(limit)?),
        }
    }

    /// What the file system says of something in the tree, links followed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn stat(&self, relative: &Path) -> Result<Stat, OpenError> {
        let handle = self.open_at(relative, OFlags::PATH)?;
        Ok(rustix::fs::fstat(handle)?)
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A path that is taken apart by hand, each link looked at before it is followed.
struct Resolution<'a> {
    tree: &'a Tree,
    absolute: Absolute,
    /// Where the path left the tree to, if it did.
    outside: Option<OwnedFd>,
    /// The directories on the way down from there, or from the tree's own.
    below: Vec<OwnedFd>,
}

impl<'a> Resolution<'a> {
    fn new(tree: &'a Tree, absolute: Absolute) -> Self {
        Self { tree, absolute, outside: None, below: Vec::new() }
    }

    fn here(&self) -> BorrowedFd<'_> {
        let start = self.outside.as_ref().map_or(self.tree.handle(), AsFd::as_fd);
        self.below.last().map_or(start, AsFd::as_fd)
    }

    fn open(mut self, path: &[u8], flags: OFlags) -> Result<OwnedFd, OpenError> {
        let mut links = 0;
        // The caller may name any path.
        let mut rest = Vec::new();
        self.push(&mut rest, path, None)?;
        while let Some((part, owner)) = rest.pop() {
            if part == b".." {
                self.ascend(owner)?;
                continue;
            }
            let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = retry_on_intr(|| rustix::fs::openat(self.here(), &*part, look, Mode::empty()))?;
            let stat = rustix::fs::fstat(&found)?;
            if FileType::from_raw_mode(stat.st_mode).is_symlink() {
                links += 1;
                if links > LINKS_LIMIT {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(&found, c"", Vec::new())?;
                let is_ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
                let owner = if is_ours { owner } else { Some(stat.st_uid) };
                self.push(&mut rest, target.as_bytes(), owner)?;
            } else if rest.is_empty() {
                let flags = flags | OFlags::NOFOLLOW;
                let open = || rustix::fs::openat(self.here(), &*part, flags, Mode::empty());
                return Ok(retry_on_intr(open)?);
            } else {
                self.below.push(found);
            }
        }
        Ok(retry_on_intr(|| rustix::fs::openat(self.here(), c".", flags, Mode::empty()))?)
    }

    /// Puts the parts of a path before those that are still to come. `owner` is the user who said so, if it is
    /// another one.
    fn push(
        &mut self,
        rest: &mut Vec<(Vec<u8>, Option<u32>)>,
        path: &[u8],
        owner: Option<u32>,
    ) -> Result<(), OpenError> {
        if path.starts_with(b"/") {
            self.below.clear();
            if self.absolute == Absolute::System {
                self.may_leave(owner)?;
                self.outside = Some(retry_on_intr(|| rustix::fs::open(c"/", HANDLE, Mode::empty()))?);
            }
        } else if self.outside.is_some() {
            self.may_leave(owner)?;
        }
        let parts = path.rsplit(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        rest.extend(parts.map(|part| (part.to_vec(), owner)));
        Ok(())
    }

    fn ascend(&mut self, owner: Option<u32>) -> Result<(), OpenError> {
        // Above a root directory there is that directory.
        if self.below.pop().is_some() || self.absolute == Absolute::Tree {
            return Ok(());
        }
        self.may_leave(owner)?;
        self.outside = Some(retry_on_intr(|| rustix::fs::openat(self.here(), c"..", HANDLE, Mode::empty()))?);
        Ok(())
    }

    fn may_leave(&self, owner: Option<u32>) -> Result<(), OpenError> {
        owner.map_or(Ok(()), |owner| Err(OpenError::Leaves { owner }))
    }
}

/// Opens a file that the caller names by its path, as a module would be opened.
///
/// # Errors
/// What the system said.
pub fn open_named(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))
}
