//! Goes through a directory tree in the order of names, links followed.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modcli::Severity;
use rustix::fs::{FileType, OFlags, RawDir};
use rustix::io::Errno;

use crate::listings::{About, Entries, Listings};
use crate::messages::{self, Say};
use crate::source::joined;
use crate::tree::{OpenError, Tree};

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

/// One walk through a tree.
pub struct Walk<'a, 'c> {
    tree: &'a Tree,
    excludes: &'a [Vec<u8>],
    say: &'a dyn Say,
    faults: &'a mut Faults,
    listings: &'a mut Listings<'c>,
    visits: Visits,
    /// The directories on the way to the one that is listed.
    ancestors: Vec<(Identity, PathBuf)>,
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
        Self { tree, excludes, say, faults, listings, visits: Visits::default(), ancestors: Vec::new() }
    }

    /// Calls `visit` for the path of every regular file, relative to the tree, until it says that this is enough.
    pub fn run(mut self, visit: &mut dyn FnMut(&Path) -> bool) {
        self.directory(PathBuf::new(), false, visit);
    }

    fn directory(&mut self, path: PathBuf, by_link: bool, visit: &mut dyn FnMut(&Path) -> bool) -> bool {
        // Whether it was reached through a link counts from here on.
        self.visits.has_links |= by_link;
        let (identity, entries) = match self.list(&path) {
            Ok(listed) => listed,
            Err(error) => {
                self.fault(&path, &error);
                return true;
            }
        };
        if by_link && let Some((_, ancestor)) = self.ancestors.iter().find(|(known, _)| *known == identity) {
            let ancestor = self.tree.path().join(ancestor);
            self.say.say(Severity::Error, messages::leads_back(&self.tree.path().join(&path), &ancestor));
            return true;
        }
        match self.visits.allow(identity) {
            Visit::Allowed => {}
            Visit::OneTooMany => {
                let path = self.tree.path().join(&path);
                self.say.say(Severity::Error, messages::visited_enough(&path, VISITS_LIMIT));
                return true;
            }
            Visit::TooMany => return true,
        }
        self.ancestors.push((identity, path));
        let goes_on =
            entries.iter().all(|(name, kind)| self.is_passed_by(name) || self.entry(name, *kind, visit));
        self.ancestors.pop();
        goes_on
    }

    /// One thing in the directory that was entered last.
    fn entry(&mut self, name: &[u8], kind: FileType, visit: &mut dyn FnMut(&Path) -> bool) -> bool {
        let parent = self.ancestors.last().map(|(_, path)| path.as_path()).unwrap_or(Path::new(""));
        let path = joined(parent, Path::new(std::ffi::OsStr::from_bytes(name)));
        let by_link = !matches!(kind, FileType::RegularFile | FileType::Directory);
        let mode = if by_link {
            match self.tree.stat(&path) {
                Ok(stat) => stat.st_mode,
                Err(error) => {
                    self.fault(&path, &error);
                    return true;
                }
            }
        } else {
            kind.as_raw_mode()
        };
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => visit(&path),
            FileType::Directory => self.directory(path, by_link, visit),
            _ => {
                let path = self.tree.path().join(&path);
                self.say.say(Severity::Error, messages::unsupported_file_type(&path, mode));
                true
            }
        }
    }

    /// Names and kinds of what is in a directory, sorted.
    fn list(&mut self, path: &Path) -> Result<(Identity, Entries), OpenError> {
        let remembers = !self.visits.has_links;
        if remembers && let Some((stat, entries)) = self.listings.recall(self.tree, path) {
            return Ok(((stat.st_dev, stat.st_ino), entries));
        }
        let looked = self.listings.now();
        let handle = self.tree.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&handle)?;
        let mut buffer = [MaybeUninit::uninit(); LISTING];
        let mut listing = RawDir::new(handle, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = listing.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                entries.push((name.to_vec(), entry.file_type()));
            }
        }
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if remembers {
            self.listings.note(self.tree, path, &About::new(stat, looked), &entries);
        }
        Ok(((stat.st_dev, stat.st_ino), entries))
    }

    fn is_passed_by(&self, name: &[u8]) -> bool {
        NEVER_VISITED.contains(&name) || self.excludes.iter().any(|excluded| excluded == name)
    }

    fn fault(&mut self, path: &Path, error: &OpenError) {
        self.say.say(Severity::Error, messages::not_visited(&self.tree.path().join(path), error));
        match error {
            // It leads nowhere, or was taken away meanwhile.
            OpenError::System(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            OpenError::System(_) | OpenError::NotRead(_) => self.faults.unlisted = true,
            OpenError::Leaves { .. } => self.faults.refused = true,
        }
    }
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
enum Visit {
    Allowed,
    OneTooMany,
    TooMany,
}

impl Visits {
    fn allow(&mut self, directory: Identity) -> Visit {
        if !self.has_links {
            return Visit::Allowed;
        }
        let count = self.counts.entry(directory).or_default();
        *count = count.saturating_add(1);
        match (*count).cmp(&(VISITS_LIMIT + 1)) {
            std::cmp::Ordering::Less => Visit::Allowed,
            std::cmp::Ordering::Equal => Visit::OneTooMany,
            std::cmp::Ordering::Greater => Visit::TooMany,
        }
    }
}
