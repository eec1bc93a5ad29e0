//! Goes through a directory tree in the order of names, links followed.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use modcli::Severity;
use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::{Errno, retry_on_intr};

use crate::listings::{About, Entries, Listings};
use crate::messages::{self, Say};
use crate::room::{self, LENT_LIMIT};
use crate::tree::{Handle, OpenError, Tree};

/// Names that lead to a kernel's sources.
const NEVER_VISITED: [&[u8]; 2] = [b"build", b"source"];

/// How many ways through links to one directory are followed.
const VISITS_LIMIT: usize = 8;

/// Room for what the system lists at a time.
const LISTING: usize = 32 << 10;

/// What went wrong on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A directory could not be listed, so that nobody knows which modules are missing.
    pub unlisted: bool,
    /// Something was left out for good.
    pub refused: bool,
}

impl Faults {
    /// A file could not be read. That concerns the file alone, unless it is the run that lacks something.
    pub fn note_unread(&mut self, error: &std::io::Error) {
        match Errno::from_io_error(error) {
            // Another kind of file than it should be, or taken away since it was found.
            Some(Errno::ISDIR | Errno::NOENT) => {}
            Some(Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::STALE) => self.unlisted = true,
            _ => self.refused = true,
        }
    }
}

/// A directory by device and inode.
type Identity = (u64, u64);

/// What gets the files.
type Visit<'v> = &'v mut dyn FnMut(&Path, Option<&Handle>) -> bool;

/// One walk through a tree.
pub struct Walk<'a, 'c> {
    tree: &'a Tree,
    excludes: &'a [Vec<u8>],
    say: &'a dyn Say,
    faults: &'a mut Faults,
    listings: &'a mut Listings<'c>,
    visits: Visits,
    /// The path, in the tree, of what is looked at.
    here: Vec<u8>,
    /// The directories on the way to it.
    ancestors: Vec<Entered>,
    /// How many of them may be kept open: none if the process may not have many files open.
    open_levels: usize,
    /// Handles that were given to those who read files, and are closed when they have.
    lent: VecDeque<Weak<OwnedFd>>,
}

/// A directory on the way.
struct Entered {
    identity: Identity,
    /// The length of its path, with which all paths in it begin.
    len: usize,
    /// Through it the directories and files in this one are reached in one step.
    handle: Option<Handle>,
    entries: Entries,
    /// The place of the one to look at next.
    next: usize,
}

impl<'a, 'c> Walk<'a, 'c> {
    /// A walk that skips everything that is named like one of `excludes`. What `listings` knows is not listed.
    pub fn new(
        tree: &'a Tree,
        excludes: &'a [Vec<u8>],
        listings: &'a mut Listings<'c>,
        say: &'a dyn Say,
        faults: &'a mut Faults,
    ) -> Self {
        Self {
            tree,
            excludes,
            say,
            faults,
            listings,
            visits: Visits::default(),
            here: Vec::new(),
            ancestors: Vec::new(),
            open_levels: room::open_levels(),
            lent: VecDeque::new(),
        }
    }

    /// Calls `visit` for the path of every regular file, relative to the tree, until it says that this is enough. It gets
    /// also the directory of the file, if that is open.
    ///
    /// Another user may have made directories of any depth, so the way back is remembered here and not on the stack.
    pub fn run(mut self, visit: Visit<'_>) {
        self.enter(false);
        while let Some(entered) = self.ancestors.last_mut() {
            self.here.truncate(entered.len);
            let Some((name, kind)) = entered.entries.get(entered.next) else {
                self.ancestors.pop();
                continue;
            };
            entered.next += 1;
            if is_passed_by(name, self.excludes) {
                continue;
            }
            if entered.len > 0 {
                self.here.push(b'/');
            }
            self.here.extend_from_slice(name);
            if !self.entry(kind, visit) {
                return;
            }
        }
    }

    /// Enters the directory that is looked at, if it is to be visited.
    fn enter(&mut self, by_link: bool) {
        // Whether it was reached through a link counts from here on.
        self.visits.has_links |= by_link;
        let (identity, handle, entries) = match self.list(by_link) {
            Ok(listed) => listed,
            Err(error) => {
                self.fault(&error);
                return;
            }
        };
        let leads_back = |known: &&Entered| by_link && known.identity == identity;
        if let Some(ancestor) = self.ancestors.iter().find(leads_back) {
            let ancestor = self.here.get(..ancestor.len).unwrap_or_default();
            self.say
                .say(Severity::Error, messages::leads_back(&self.whole(&self.here), &self.whole(ancestor)));
            return;
        }
        match self.visits.allow(identity) {
            Allowance::Allowed => {}
            Allowance::OneTooMany => {
                self.say
                    .say(Severity::Error, messages::visited_enough(&self.whole(&self.here), VISITS_LIMIT));
                return;
            }
            Allowance::TooMany => return,
        }
        let len = self.here.len();
        let handle = handle.filter(|_| self.ancestors.len() < self.open_levels);
        self.ancestors.push(Entered { identity, len, handle, entries, next: 0 });
    }

    /// One thing in the directory that was entered last.
    fn entry(&mut self, kind: FileType, visit: Visit<'_>) -> bool {
        let by_link = !matches!(kind, FileType::RegularFile | FileType::Directory);
        let mode = if by_link {
            match self.tree.stat(as_path(&self.here)) {
                Ok(stat) => stat.st_mode,
                Err(error) => {
                    self.fault(&error);
                    return true;
                }
            }
        } else {
            kind.as_raw_mode()
        };
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => {
                let handle = self.lend();
                visit(as_path(&self.here), handle.as_ref())
            }
            FileType::Directory => {
                self.enter(by_link);
                true
            }
            _ => {
                self.say.say(Severity::Error, messages::unsupported_file_type(&self.whole(&self.here), mode));
                true
            }
        }
    }

    /// The handle of the directory that was entered last, if not too many are lent.
    fn lend(&mut self) -> Option<Handle> {
        let handle = self.ancestors.last()?.handle.as_ref()?;
        let is_lent = self.lent.back().is_some_and(|last| std::ptr::eq(last.as_ptr(), Arc::as_ptr(handle)));
        if !is_lent {
            self.lent.retain(|lent| lent.strong_count() > 0);
            if self.lent.len() >= LENT_LIMIT {
                return None;
            }
            self.lent.push_back(Arc::downgrade(handle));
        }
        Some(Arc::clone(handle))
    }

    /// Opens a directory to list it: in the one that was entered last, if it is there and not behind a link.
    fn open(&self, by_link: bool) -> Result<OwnedFd, OpenError> {
        let path = as_path(&self.here);
        let parent = self.ancestors.last().filter(|_| !by_link).and_then(|entered| entered.handle.as_ref());
        if let Some((parent, name)) = parent.zip(path.file_name()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(handle) = retry_on_intr(|| rustix::fs::openat(parent, name, flags, Mode::empty())) {
                return Ok(handle);
            }
        }
        self.tree.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Names and kinds of what is in a directory, sorted.
    fn list(&mut self, by_link: bool) -> Result<(Identity, Option<Handle>, Entries), OpenError> {
        let remembers = !self.visits.has_links;
        if remembers && let Some((stat, entries)) = self.listings.recall(self.tree, as_path(&self.here)) {
            return Ok(((stat.st_dev, stat.st_ino), None, entries));
        }
        let looked = self.listings.now();
        let handle = self.open(by_link)?;
        let stat = rustix::fs::fstat(&handle)?;
        let mut buffer = [MaybeUninit::uninit(); LISTING];
        let mut listing = RawDir::new(&handle, &mut buffer);
        let mut entries = Entries::default();
        while let Some(entry) = listing.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                entries.push(name, entry.file_type());
            }
        }
        entries.sort();
        if remembers {
            self.listings.note(self.tree, as_path(&self.here), &About::new(stat, looked), &entries);
        }
        Ok(((stat.st_dev, stat.st_ino), Some(Arc::new(handle)), entries))
    }

    /// The whole path of something in the tree, for messages.
    fn whole(&self, path: &[u8]) -> PathBuf {
        self.tree.path().join(as_path(path))
    }

    fn fault(&mut self, error: &OpenError) {
        self.say.say(Severity::Error, messages::not_visited(&self.whole(&self.here), error));
        match error {
            // It leads nowhere, or was taken away meanwhile.
            OpenError::System(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            OpenError::System(_) | OpenError::NotRead(_) => self.faults.unlisted = true,
            OpenError::Leaves { .. } => self.faults.refused = true,
        }
    }
}

fn is_passed_by(name: &[u8], excludes: &[Vec<u8>]) -> bool {
    NEVER_VISITED.contains(&name) || excludes.iter().any(|excluded| excluded == name)
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// How often each directory was visited, counted from the first link to a directory on: before, once.
///
/// Directories that link to each other have more paths than anybody can walk, though none leads back to where it came
/// from.
#[derive(Default)]
struct Visits {
    has_links: bool,
    counts: HashMap<Identity, usize>,
}

/// Whether a directory is visited once more.
enum Allowance {
    Allowed,
    OneTooMany,
    TooMany,
}

impl Visits {
    fn allow(&mut self, directory: Identity) -> Allowance {
        if !self.has_links {
            return Allowance::Allowed;
        }
        let count = self.counts.entry(directory).or_default();
        *count = count.saturating_add(1);
        match (*count).cmp(&(VISITS_LIMIT + 1)) {
            std::cmp::Ordering::Less => Allowance::Allowed,
            std::cmp::Ordering::Equal => Allowance::OneTooMany,
            std::cmp::Ordering::Greater => Allowance::TooMany,
        }
    }
}
