//! What directories hold, as they were listed before.
//!
//! A directory whose [stamp](crate::stamps) is believed and has not changed since it was listed has the same names in
//! it. That takes one call where listing takes five. Below a link nothing is remembered: there a path says little
//! about what it leads to.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use moddb::cache::{Cache, Stamp, Writer};
use modfile::Strings;
use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use rustix::io::retry_on_intr;

use crate::stamps::{self, Looks};
use crate::tree::Tree;

/// Names in a directory, and what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    names: Vec<u8>,
    /// Where each name begins and ends, and what it is.
    entries: Vec<(usize, usize, FileType)>,
}

impl Entries {
    /// Adds a name.
    pub fn push(&mut self, name: &[u8], kind: FileType) {
        let start = self.names.len();
        self.names.extend_from_slice(name);
        self.entries.push((start, self.names.len(), kind));
    }

    /// Puts the names in order.
    pub fn sort(&mut self) {
        let Self { names, entries } = self;
        entries.sort_unstable_by_key(|&(start, end, _)| names.get(start..end));
    }

    /// The name at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(&[u8], FileType)> {
        let &(start, end, kind) = self.entries.get(place)?;
        Some((self.names.get(start..end)?, kind))
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], FileType)> {
        (0..self.entries.len()).filter_map(|place| self.get(place))
    }
}

/// The directories of a search.
#[derive(Debug, Default)]
pub struct Listings<'c> {
    /// What is known from earlier runs. Without it nothing is remembered of this one either.
    cache: Option<&'c Cache<'c>>,
    /// How much later than by the clock it is taken to be.
    ahead: Duration,
    looks: Looks,
    seen: Seen,
}

/// What a later run may remember of the directories of this one.
#[derive(Debug, Default)]
pub struct Seen {
    /// By path; those that are still as they were remembered have no listing.
    directories: Vec<(PathBuf, Option<(Stamp, Strings)>)>,
    /// Whether a later run would have to list fewer of them than this one.
    pub has_news: bool,
}

/// A directory that is about to be listed.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What the file system says of it.
    pub stat: Stat,
    looked: SystemTime,
}

impl About {
    /// A directory that was looked at after that time.
    #[must_use]
    pub fn new(stat: Stat, looked: SystemTime) -> Self {
        Self { stat, looked }
    }
}

impl<'c> Listings<'c> {
    /// Listings that are compared with those that a cache holds.
    #[must_use]
    pub fn new(cache: Option<&'c Cache<'c>>, ahead: Duration) -> Self {
        Self { cache, ahead, ..Self::default() }
    }

    /// The time to note before a directory is looked at.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        stamps::now(self.ahead)
    }

    /// What a directory of a tree holds, if that is known.
    pub fn recall(&mut self, tree: &Tree, path: &Path) -> Option<(Stat, Entries)> {
        let whole = tree.path().join(path);
        let remembered = self.cache?.listing(whole.as_os_str().as_bytes())?;
        let stat = if path.as_os_str().is_empty() {
            rustix::fs::fstat(tree.handle())
        } else {
            retry_on_intr(|| rustix::fs::statat(tree.handle(), path, AtFlags::SYMLINK_NOFOLLOW))
        };
        let stat = stat.ok().filter(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())?;
        let judged = self.looks.judge(&stat, || tree.open_at(path, OFlags::PATH).ok())?;
        if judged.stamp != remembered.stamp || !judged.is_believed() {
            return None;
        }
        let mut entries = Entries::default();
        for name in remembered.names {
            let (&kind, name) = name.split_first()?;
            entries.push(name, kind_of(kind));
        }
        self.seen.directories.push((whole, None));
        Some((stat, entries))
    }

    /// Notes what a directory held when it was listed.
    pub fn note(&mut self, tree: &Tree, path: &Path, about: &About, entries: &Entries) {
        if self.cache.is_none() {
            return;
        }
        let judged = self.looks.judge(&about.stat, || tree.open_at(path, OFlags::PATH).ok());
        let Some(judged) = judged.filter(|judged| judged.is_believed() && judged.was_over(about.looked))
        else {
            return;
        };
        let mut names = Strings::default();
        for (name, kind) in entries.iter() {
            names.push_with(|bytes| {
                bytes.push(byte_of(kind));
                bytes.extend_from_slice(name);
            });
        }
        self.seen.has_news = true;
        self.seen.directories.push((tree.path().join(path), Some((judged.stamp, names))));
    }

    /// What was seen.
    #[must_use]
    pub fn seen(self) -> Seen {
        self.seen
    }
}

impl Seen {
    /// Puts the listings into a cache; `cache` is the one that this run was started with.
    pub fn put(&self, cache: &Cache<'_>, writer: &mut Writer) {
        for (path, listing) in &self.directories {
            let path = path.as_os_str().as_bytes();
            match listing {
                Some((stamp, names)) => writer.directory(path, *stamp, names),
                None => {
                    let Some(remembered) = cache.listing(path) else { continue };
                    let mut names = Strings::default();
                    remembered.names.for_each(|name| names.push(name));
                    writer.directory(path, remembered.stamp, &names);
                }
            }
        }
    }
}

/// How far the kind of a file is shifted in its mode.
const KIND: u32 = 12;

fn byte_of(kind: FileType) -> u8 {
    u8::try_from(kind.as_raw_mode() >> KIND & 0xF).unwrap_or_default()
}

fn kind_of(byte: u8) -> FileType {
    FileType::from_raw_mode(u32::from(byte) << KIND)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use super::*;

    fn listed(tree: &Tree, listings: &mut Listings<'_>) {
        let looked = listings.now();
        let stat = rustix::fs::fstat(tree.open_at(Path::new("d"), OFlags::PATH).unwrap()).unwrap();
        let mut entries = Entries::default();
        entries.push(b"a.ko", FileType::RegularFile);
        entries.push(b"link", FileType::Symlink);
        listings.note(tree, Path::new("d"), &About::new(stat, looked), &entries);
    }

    #[test]
    fn a_directory_is_recalled_until_anything_in_it_is_made_removed_or_renamed() {
        let root = tempfile::tempdir_in("/dev/shm").unwrap();
        let directory = root.path().join("d");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a.ko"), "").unwrap();
        let tree = Arc::new(Tree::open(root.path(), false).unwrap());
        let nothing = Cache::default();
        let stored = |ahead| {
            let mut listings = Listings::new(Some(&nothing), Duration::from_secs(ahead));
            listed(&tree, &mut listings);
            let seen = listings.seen();
            let mut writer = Writer::default();
            seen.put(&nothing, &mut writer);
            (seen.has_news, writer.finish())
        };
        let recalled = |cache: &[u8]| {
            let cache = Cache::decode(cache).unwrap();
            Listings::new(Some(&cache), Duration::ZERO)
                .recall(&tree, Path::new("d"))
                .map(|(_, entries)| entries)
        };
        assert_eq!(stored(0), (false, Writer::default().finish()), "it has just been made");
        let [one, other] = ["b.ko", "c.ko"].map(|name| directory.join(name));
        let changes: [&dyn Fn(); 3] = [
            &|| fs::write(&one, "").and_then(|()| fs::remove_file(&one)).unwrap(),
            &|| drop((fs::rename(&one, &other), fs::rename(&other, &one))),
            &|| {
                fs::rename(&directory, root.path().join("e"))
                    .and_then(|()| fs::create_dir(&directory))
                    .unwrap();
            },
        ];
        for change in changes {
            fs::write(&one, "").unwrap();
            let (has_news, cache) = stored(60);
            assert!(has_news);
            assert_eq!(recalled(&cache).map(|entries| entries.iter().count()), Some(2));
            // The clock of files ticks more slowly than a test runs.
            let state = || fs::metadata(&directory).map(|found| (found.ino(), found.ctime_nsec())).unwrap();
            let before = state();
            while state() == before {
                fs::write(&one, "").unwrap();
                change();
            }
            assert!(recalled(&cache).is_none());
        }
    }

    #[test]
    fn kinds_come_back_as_they_were() {
        for kind in
            [FileType::RegularFile, FileType::Directory, FileType::Symlink, FileType::Fifo, FileType::Unknown]
        {
            assert_eq!(kind_of(byte_of(kind)), kind);
        }
    }
}
