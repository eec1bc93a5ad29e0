//! Finds the module files of a kernel and decides which of two with one name counts.
//!
//! What a directory holds is looked at in the order of names, so that a tree always has the same database and the same
//! messages however its file system lists it. Nothing is opened here but directories, and of those only the ones that
//! changed since they were listed; each file is handed out as soon as it seems to count, with its open directory, so that
//! it can be read meanwhile.

use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use modcli::Severity;
use moddb::build::order::Located;
use moddb::build::search::{Rank, SearchRules};
use moddb::config::depmod::DepmodConfig;
use modfile::ModuleName;
use modfile::name::suffix_len;
use rustix::io::Errno;

use crate::listings::Listings;
use crate::messages::{self, Say};
use crate::source::{ModuleSource, Waiting};
use crate::tree::{Handle, OpenError, Tree};
use crate::walk::{Faults, Walk};

/// A module file: where it is, and what the database calls it.
#[derive(Clone, Debug)]
pub struct FoundModule {
    /// Name and recorded path.
    pub located: Located,
    /// The file.
    pub source: ModuleSource,
    /// Its place among all files that were handed out to be read.
    pub number: usize,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Scan {
    /// One file for each module name.
    pub found: Vec<FoundModule>,
    /// What could not be looked at.
    pub faults: Faults,
}

/// Finds the modules of a kernel in its module directory and the external ones. `say` gets what could not
/// be visited, `hand_out` each file that counts until a better one is found.
pub fn find(
    input: &Arc<Tree>,
    config: &DepmodConfig,
    listings: &mut Listings<'_>,
    say: &dyn Say,
    hand_out: &mut dyn FnMut(Waiting),
) -> Scan {
    let rules = SearchRules::new(config);
    let mut modules = Modules {
        rules,
        found: Vec::new(),
        places: HashTable::new(),
        hasher: RandomState::default(),
        buffer: PathBuf::new(),
        twins: Vec::new(),
        hand_out,
        handed_out: 0,
    };
    let mut faults = Faults::default();
    Walk::new(input, &config.excludes, listings, say, &mut faults).run(&mut |relative, directory| {
        modules.offer(input, relative, relative.as_os_str().as_bytes(), directory);
        true
    });
    // compat: the last configured external directory is searched first (case depmod/external-two).
    for directory in config.externals.iter().rev() {
        let directory = Path::new(OsStr::from_bytes(directory));
        let (path, opened) = external(input, directory);
        let tree = match opened {
            Ok(tree) => Arc::new(tree),
            Err(error) => {
                faults.unlisted |= !matches!(error, OpenError::System(Errno::NOENT | Errno::NOTDIR));
                say.say(Severity::Error, messages::cannot_open_directory(&path, &error.into()));
                continue;
            }
        };
        Walk::new(&tree, &config.excludes, listings, say, &mut faults).run(&mut |relative, handle| {
            let recorded = directory.join(relative);
            modules.offer(&tree, relative, recorded.as_os_str().as_bytes(), handle);
            true
        });
    }
    let twins = std::mem::take(&mut modules.twins);
    let found = modules.found;
    let identity = |source: &ModuleSource| source.stat().ok().map(|stat| (stat.st_dev, stat.st_ino));
    for (place, other) in twins {
        let Some(FoundModule { located, source, .. }) = found.get(place) else { continue };
        // Two paths to one file are not a choice.
        let is_same = identity(source).is_some_and(|file| Some(file) == identity(&other));
        if !is_same {
            say.say(Severity::Warning, messages::twins(&located.name, source.path(), other.path()));
        }
    }
    Scan { found, faults }
}

/// A directory that depmod.d names, and where it is: inside of the root directory, if one was named. The path ends with
/// the name, letter by letter, since a module is remembered by its path and by how much of that is recorded.
fn external(input: &Tree, directory: &Path) -> (PathBuf, Result<Tree, OpenError>) {
    match input.root() {
        None => (directory.to_owned(), Tree::open(directory, false).map_err(OpenError::from)),
        Some(root) => {
            let below = root.path().as_os_str().as_bytes();
            let mut path = below.strip_suffix(b"/").unwrap_or(below).to_vec();
            if !directory.has_root() {
                path.push(b'/');
            }
            path.extend_from_slice(directory.as_os_str().as_bytes());
            let path = PathBuf::from(OsString::from_vec(path));
            let opened = root.subtree(directory, &path);
            (path, opened)
        }
    }
}

/// One file for each module name.
struct Modules<'a> {
    rules: SearchRules,
    found: Vec<FoundModule>,
    /// The place of each name.
    places: HashTable<usize>,
    hasher: RandomState,
    /// Where paths are put together.
    buffer: PathBuf,
    /// Files that no rule ranks below the one that is taken, by the place of that.
    twins: Vec<(usize, ModuleSource)>,
    hand_out: &'a mut dyn FnMut(Waiting),
    handed_out: usize,
}

impl Modules<'_> {
    /// A file of a tree, with the path that is recorded of it.
    fn offer(&mut self, tree: &Arc<Tree>, relative: &Path, recorded: &[u8], directory: Option<&Handle>) {
        let file_name =
            relative.as_os_str().as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if suffix_len(file_name).is_none() {
            return;
        }
        let Self { rules, found, places, hasher, twins, .. } = self;
        let source = ModuleSource::spelled(tree, relative, &mut self.buffer);
        let new = |name| {
            let located = Located { name, path: recorded.to_vec() };
            FoundModule { located, source: source.clone(), number: self.handed_out }
        };
        let name = ModuleName::new(file_name);
        let name_at = |place: usize| found.get(place).map(|module| &module.located.name);
        let place = places.entry(
            hasher.hash_one(&name),
            |&place| name_at(place) == Some(&name),
            |&place| name_at(place).map_or(0, |name| hasher.hash_one(name)),
        );
        match place {
            Entry::Vacant(vacant) => {
                vacant.insert(found.len());
                found.push(new(name));
            }
            Entry::Occupied(occupied) => {
                let place = *occupied.get();
                let Some(older) = found.get_mut(place) else { return };
                let (new_weight, old_weight) = (rules.weight(recorded), rules.weight(&older.located.path));
                let (new_rank, old_rank) = (new_weight.0, old_weight.0);
                if new_rank == old_rank {
                    let loser = if new_weight < old_weight { &source } else { &older.source };
                    twins.push((place, loser.clone()));
                } else if new_rank > old_rank {
                    twins.retain(|&(twin, _)| twin != place);
                }
                if new_weight < old_weight {
                    return;
                }
                *older = new(name);
            }
        }
        self.handed_out += 1;
        (self.hand_out)(Waiting { source, directory: directory.cloned() });
    }
}

/// What decides between two files of one module name: rank, then a plain file before a compressed one, then the
/// path that comes first in the order of bytes.
trait Weigh {
    fn weight<'p>(&self, path: &'p [u8]) -> (Rank, std::cmp::Reverse<(bool, &'p [u8])>);
}

impl Weigh for SearchRules {
    fn weight<'p>(&self, path: &'p [u8]) -> (Rank, std::cmp::Reverse<(bool, &'p [u8])>) {
        let rank = self.rank(path, suffix_len(path).unwrap_or_default());
        (rank, std::cmp::Reverse((!path.ends_with(b".ko"), path)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::messages::Silent;

    #[test]
    fn what_is_recorded_of_a_module_is_the_end_of_its_path_however_depmod_d_spells_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["modules/kernel", "ext"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("modules/kernel/a.ko"), "").unwrap();
        fs::write(at("ext/b.ko"), "").unwrap();
        let named = Tree::open(root.path(), true).unwrap();
        let input = Arc::new(named.subtree(Path::new("modules"), &at("modules")).unwrap());
        for external in ["/ext", "//ext", "/./ext", "/ext/", "/ext//", "/modules/../ext", "ext", "./ext"] {
            let config =
                DepmodConfig { externals: vec![external.as_bytes().to_vec()], ..DepmodConfig::default() };
            let mut handed_out = 0;
            let scan = find(&input, &config, &mut Listings::default(), &Silent, &mut |_| handed_out += 1);
            assert_eq!((scan.found.len(), handed_out), (2, 2), "{external}");
            for module in &scan.found {
                let path = module.source.path().as_os_str().as_bytes();
                assert!(
                    path.ends_with(&module.located.path),
                    "{external}: {}",
                    module.source.path().display()
                );
            }
        }
    }
}
