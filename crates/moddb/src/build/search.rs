//! Which of two files with the same module name is taken.
//!
//! depmod.d orders directories by `search` lines and names single files by `override` lines. Finding the files
//! is left to the caller; this says how much one of them counts.

use std::cmp::Reverse;

use crate::config::depmod::{DepmodConfig, SearchWord};

/// The rules of one run.
#[derive(Clone, Debug)]
pub struct SearchRules {
    /// Words of the search order from the lowest rank to the highest.
    ascending: Vec<Word>,
    /// Paths without suffix that were named to be taken, the last configured first.
    overrides: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Word {
    /// A directory of the module directory, or an absolute one.
    Directory(Vec<u8>),
    BuiltIn,
}

impl SearchRules {
    /// The rules of a configuration.
    #[must_use]
    pub fn new(config: &DepmodConfig) -> Self {
        let mut ascending = Vec::new();
        for word in config.search_order().into_iter().rev() {
            match word {
                SearchWord::Directory(directory) => ascending.push(Word::Directory(directory)),
                SearchWord::BuiltIn => ascending.push(Word::BuiltIn),
                SearchWord::External => {
                    ascending.extend(config.externals.iter().rev().cloned().map(Word::Directory));
                }
            }
        }
        let overrides = config
            .overrides
            .iter()
            .rev()
            .map(|line| [&line.directory, b"/".as_slice(), &line.module].concat());
        Self { ascending, overrides: overrides.collect() }
    }

    /// The rank of a file: its path as the database records it, with the length of its suffix. Of two with one
    /// module name, that of the higher rank is taken.
    ///
    /// kmod compares two files so that of two in one directory of the search order the one counts that the system
    /// lists last. They are of equal rank here, and the caller decides by their paths.
    #[must_use]
    pub fn rank(&self, path: &[u8], suffix: usize) -> Rank {
        let stem = path.len().checked_sub(suffix).and_then(|len| path.get(..len));
        let named = self.overrides.iter().position(|named| stem == Some(named));
        let mut searched = None;
        for (rank, word) in self.ascending.iter().enumerate() {
            match word {
                Word::Directory(directory) if is_below(path, directory) => searched = Some(rank),
                Word::Directory(_) | Word::BuiltIn => {}
            }
        }
        let built_in = || self.ascending.iter().rposition(|word| matches!(word, Word::BuiltIn));
        Rank { named: named.map(Reverse), searched: searched.or_else(built_in) }
    }
}

/// How much a file counts among those with its module name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The override line that names it: the last configured counts most.
    named: Option<Reverse<usize>>,
    /// The word of the search order under which it falls.
    searched: Option<usize>,
}

/// Whether a path lies in a directory, by whole components.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn replaces(config: &str, newer: &str, older: &str) -> bool {
        let mut parsed = DepmodConfig::default();
        assert_eq!(parsed.parse(Path::new("a.conf"), config.as_bytes(), b"6.1.0"), []);
        let rules = SearchRules::new(&parsed);
        rules.rank(newer.as_bytes(), 3) > rules.rank(older.as_bytes(), 3)
    }

    #[test]
    fn updates_come_before_everything_unless_something_else_is_configured() {
        assert!(replaces("", "updates/a.ko", "kernel/a.ko"));
        assert!(!replaces("", "kernel/a.ko", "updates/a.ko"));
        assert!(!replaces("", "extra/a.ko", "kernel/a.ko"));
        assert!(!replaces("", "updates2/a.ko", "kernel/a.ko"));
    }

    #[test]
    fn an_earlier_word_ranks_higher_and_built_in_means_everything_else() {
        let config = "search a built-in b\n";
        assert!(replaces(config, "a/m.ko", "kernel/m.ko"));
        assert!(!replaces(config, "b/m.ko", "kernel/m.ko"));
        assert!(replaces(config, "kernel/m.ko", "b/m.ko"));
    }

    #[test]
    fn files_in_one_directory_of_the_order_have_one_rank() {
        for (one, other) in [("updates/a.ko", "updates/dkms/a.ko"), ("kernel/a.ko", "extra/a.ko")] {
            assert!(!replaces("", one, other) && !replaces("", other, one), "{one} {other}");
        }
    }

    #[test]
    fn external_directories_rank_where_the_word_stands() {
        let config = "external * /x\nexternal * /y\nsearch external built-in\n";
        assert!(replaces(config, "/x/m.ko", "kernel/m.ko"));
        assert!(replaces(config, "/x/m.ko", "/y/m.ko"));
        assert!(!replaces(config, "/y/m.ko", "/x/m.ko"));
        assert!(!replaces("external * /x\n", "/x/m.ko", "updates/m.ko"));
    }

    #[test]
    fn an_override_names_one_file_and_the_last_configured_one_counts_first() {
        let config = "override m * extra\noverride m * weird\n";
        assert!(replaces(config, "extra/m.ko", "updates/m.ko"));
        assert!(!replaces(config, "updates/m.ko", "extra/m.ko"));
        assert!(replaces(config, "weird/m.ko", "extra/m.ko"));
        assert!(!replaces(config, "extra/m.ko", "weird/m.ko"));
    }
}
