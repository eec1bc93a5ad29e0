//! Finds the module files of a kernel and decides which of two with one name counts.
//!
//! Directories are read in the order in which the system lists them, because for two files of equal rank that
//! order decides. Nothing is opened here but directories; each file is handed out as soon as it seems to count, so
//! that it can be read meanwhile.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use modcli::Severity;
use moddb::build::order::Located;
use moddb::build::search::SearchRules;
use moddb::config::depmod::DepmodConfig;
use modfile::ModuleName;
use modfile::name::suffix_len;
use walkdir::{DirEntry, WalkDir};

use crate::messages::{self, Say};

/// Names that lead to a kernel's sources.
const NEVER_VISITED: [&str; 2] = ["build", "source"];

/// How many ways through links to one directory are followed.
const VISITS_LIMIT: usize = 8;

/// A module file: where it is, and what the database calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundModule {
    /// Name and recorded path.
    pub located: Located,
    /// The file.
    pub file: PathBuf,
    /// Its place among all files that were handed out to be read.
    pub number: usize,
}

/// The module directory itself could not be read.
#[derive(Debug)]
pub struct Unsearchable(pub std::io::Error);

/// Finds the modules of a kernel in its module directory and the external ones. `say` hears of what could not
/// be visited, `hand_out` of each file that counts until a better one is found.
///
/// # Errors
/// [`Unsearchable`] if the module directory cannot be read.
pub fn find(
    input: &Path,
    config: &DepmodConfig,
    say: &dyn Say,
    hand_out: &mut dyn FnMut(PathBuf),
) -> Result<Vec<FoundModule>, Unsearchable> {
    // Opened apart from the walk: a directory that is missing is another matter than one inside it.
    if let Err(error) = std::fs::read_dir(input) {
        say.say(Severity::Error, messages::cannot_open_directory(input, &error));
        return Err(Unsearchable(error));
    }
    let rules = SearchRules::new(config);
    let mut modules =
        Modules { rules, found: Vec::new(), places: HashMap::default(), hand_out, handed_out: 0 };
    for entry in walk(input, config, say) {
        let recorded =
            entry.path().strip_prefix(input).unwrap_or(entry.path()).as_os_str().as_bytes().to_vec();
        modules.offer(&entry, recorded);
    }
    // compat: the last configured external directory is searched first (case depmod/external-two).
    for directory in config.externals.iter().rev() {
        let directory = Path::new(OsStr::from_bytes(directory));
        if let Err(error) = std::fs::read_dir(directory) {
            say.say(Severity::Error, messages::cannot_open_directory(directory, &error));
            continue;
        }
        for entry in walk(directory, config, say) {
            modules.offer(&entry, entry.path().as_os_str().as_bytes().to_vec());
        }
    }
    Ok(modules.found)
}

/// Whether a module file in a directory tree is newer than a moment, in microseconds since 1970.
#[must_use]
pub fn any_newer(input: &Path, config: &DepmodConfig, moment: i64, say: &dyn Say) -> bool {
    walk(input, config, say).any(|entry| {
        suffix_len(entry.file_name().as_bytes()).is_some()
            && entry.metadata().is_ok_and(|metadata| microseconds(&metadata) > moment)
    })
}

/// A file's time of modification in microseconds since 1970.
pub fn microseconds(metadata: &std::fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000)
}

/// The regular files below a directory that may be modules, links followed.
fn walk<'a>(
    directory: &'a Path,
    config: &'a DepmodConfig,
    say: &'a dyn Say,
) -> impl Iterator<Item = DirEntry> + 'a {
    let mut visits = Visits::default();
    let visited = move |entry: &DirEntry| {
        let name = entry.file_name();
        entry.depth() == 0
            || !(NEVER_VISITED.iter().any(|skipped| name == *skipped)
                || config.excludes.iter().any(|excluded| name.as_bytes() == excluded))
                && visits.allow(entry, say)
    };
    WalkDir::new(directory).follow_links(true).into_iter().filter_entry(visited).filter_map(move |entry| {
        match entry {
            Ok(entry) if entry.file_type().is_file() => Some(entry),
            Ok(entry) if entry.file_type().is_dir() => None,
            Ok(entry) => {
                say.say(Severity::Error, messages::unsupported_file_type(&entry));
                None
            }
            Err(error) => {
                say.say(Severity::Error, messages::not_visited(&error));
                None
            }
        }
    })
}

/// How often each directory was visited, counted from the first link to a directory on: before, once.
///
/// Of directories that link to each other there are more paths than anybody can walk, though none leads back to
/// where it came from.
#[derive(Default)]
struct Visits {
    has_links: bool,
    /// By device and inode.
    counts: HashMap<(u64, u64), usize>,
}

impl Visits {
    fn allow(&mut self, entry: &DirEntry, say: &dyn Say) -> bool {
        if !entry.file_type().is_dir() {
            return true;
        }
        self.has_links |= entry.path_is_symlink();
        if !self.has_links {
            return true;
        }
        let Ok(metadata) = entry.metadata() else { return true };
        let count = self.counts.entry((metadata.dev(), metadata.ino())).or_default();
        *count = count.saturating_add(1);
        if *count == VISITS_LIMIT + 1 {
            say.say(Severity::Error, messages::visited_enough(entry.path(), VISITS_LIMIT));
        }
        *count <= VISITS_LIMIT
    }
}

/// One file for each module name.
struct Modules<'a> {
    rules: SearchRules,
    found: Vec<FoundModule>,
    places: HashMap<ModuleName, usize, RandomState>,
    hand_out: &'a mut dyn FnMut(PathBuf),
    handed_out: usize,
}

impl Modules<'_> {
    fn offer(&mut self, entry: &DirEntry, recorded: Vec<u8>) {
        let file_name = entry.file_name().as_bytes();
        let Some(suffix) = suffix_len(file_name) else { return };
        let name = ModuleName::new(file_name);
        let file = entry.path().to_owned();
        let number = self.handed_out;
        let newer = FoundModule { located: Located { name, path: recorded }, file: file.clone(), number };
        let place = self.places.get(&newer.located.name);
        match place.and_then(|&place| self.found.get_mut(place)) {
            None => {
                self.places.insert(newer.located.name.clone(), self.found.len());
                self.found.push(newer);
            }
            Some(older) => {
                let older_suffix = suffix_len(&older.located.path).unwrap_or_default();
                if !self.rules.replaces(&newer.located.path, suffix, &older.located.path, older_suffix) {
                    return;
                }
                *older = newer;
            }
        }
        self.handed_out += 1;
        (self.hand_out)(file);
    }
}
