//! depmod.d: where modules are searched, and which of two with the same name counts.
//!
//! `search`, `override`, `external` and `exclude` are kept in the order in which they were read; what follows
//! from them is the scan's business. Lines meant for another kernel release leave no trace but a message.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::files::{self, FileProblem, Reach};
use super::lines::{logical_lines, words};
use super::{Gravity, Location, release};

/// One word of a `search` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchWord {
    /// A directory relative to the module directory, as written.
    Directory(Vec<u8>),
    /// `built-in`: the modules in no other place of the search order.
    BuiltIn,
    /// `external`: the directories of `external` lines.
    External,
}

/// `override MODULE KVER DIR`: the module of that file name is taken from that directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The file's name without suffix, as written: `-` and `_` differ.
    pub module: Vec<u8>,
    /// A directory relative to the module directory, as written.
    pub directory: Vec<u8>,
}

/// What depmod.d says for one kernel release. Every list is in the order in which it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepmodConfig {
    /// The words of all `search` lines; [`DepmodConfig::search_order`] has the default.
    pub search: Vec<SearchWord>,
    /// The `override` lines.
    pub overrides: Vec<Override>,
    /// The directories of the `external` lines.
    pub externals: Vec<Vec<u8>>,
    /// Names of files and directories that are not visited.
    pub excludes: Vec<Vec<u8>>,
}

/// Why a line of depmod.d has no effect, or a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepmodProblem {
    /// A file or directory of the configuration.
    File(FileProblem),
    /// The line is incomplete or begins with a word that is not a command.
    BadLine {
        /// Where it stands.
        location: Location,
        /// Its first word.
        word: Vec<u8>,
    },
    /// `include` or `make_map_files`, which no depmod in use does.
    NotImplemented {
        /// Where it stands.
        location: Location,
        /// Its first word.
        word: Vec<u8>,
    },
    /// An `override` line is meant for another kernel release.
    OverrideForOtherRelease {
        /// Where it stands.
        location: Location,
        /// Its KVER word.
        pattern: Vec<u8>,
    },
    /// An `external` line is meant for another kernel release.
    ExternalForOtherRelease {
        /// Where it stands.
        location: Location,
        /// Its KVER word.
        pattern: Vec<u8>,
    },
}

impl DepmodProblem {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Gravity {
        match self {
            Self::File(problem) => problem.severity(),
            Self::BadLine { .. } => Gravity::Error,
            Self::NotImplemented { .. }
            | Self::OverrideForOtherRelease { .. }
            | Self::ExternalForOtherRelease { .. } => Gravity::Info,
        }
    }

    /// What is wrong, as kmod words it, without the system's [`reason`](Self::reason). What is quoted of a file stays
    /// as it stands there: it need not be UTF-8.
    #[must_use]
    pub fn sentence(&self) -> Vec<u8> {
        let (location, before, word, after) = match self {
            Self::File(problem) => return problem.sentence(),
            Self::BadLine { location, word } => (location, "ignoring bad line starting with '", word, "'"),
            Self::NotImplemented { location, word } => (location, "command ", word, " not implemented yet"),
            Self::OverrideForOtherRelease { location, pattern } => {
                (location, "override kernel did not match ", pattern, "")
            }
            Self::ExternalForOtherRelease { location, pattern } => {
                (location, "external directory did not match ", pattern, "")
            }
        };
        location.sentence(":", before, word, after)
    }

    /// The system's reason, where the sentence is to be followed by one.
    #[must_use]
    pub fn reason(&self) -> Option<Errno> {
        match self {
            Self::File(problem) => problem.reason(),
            _ => None,
        }
    }
}

impl fmt::Display for DepmodProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.sentence()))
    }
}

impl DepmodConfig {
    /// Adds what the bytes of `file` say to a kernel of that release; returns what is ignored and why.
    pub fn parse(&mut self, file: &Path, text: &[u8], release: &[u8]) -> Vec<DepmodProblem> {
        let file: Arc<Path> = file.into();
        logical_lines(text)
            .filter_map(|line| {
                let location = Location { file: Arc::clone(&file), line: line.number };
                self.add_line(&line.text, location, release).err()
            })
            .collect()
    }

    /// The search order; without any `search` word it is `updates` alone.
    #[must_use]
    pub fn search_order(&self) -> Vec<SearchWord> {
        if self.search.is_empty() {
            return vec![SearchWord::Directory(b"updates".to_vec())];
        }
        self.search.clone()
    }

    fn add_line(&mut self, text: &[u8], location: Location, release: &[u8]) -> Result<(), DepmodProblem> {
        let mut rest = words(text);
        let word = rest.next().unwrap_or_default();
        match word {
            b"search" => self.search.extend(rest.map(search_word)),
            b"exclude" => self.excludes.extend(rest.map(<[u8]>::to_vec)),
            b"override" => {
                let (Some(module), Some(pattern), Some(directory)) = (rest.next(), rest.next(), rest.next())
                else {
                    return Err(DepmodProblem::BadLine { location, word: word.to_vec() });
                };
                if !release::matches(pattern, release) {
                    return Err(DepmodProblem::OverrideForOtherRelease {
                        location,
                        pattern: pattern.to_vec(),
                    });
                }
                self.overrides.push(Override { module: module.to_vec(), directory: directory.to_vec() });
            }
            b"external" => {
                let (Some(pattern), Some(directory)) = (rest.next(), rest.next()) else {
                    return Err(DepmodProblem::BadLine { location, word: word.to_vec() });
                };
                if !release::matches(pattern, release) {
                    return Err(DepmodProblem::ExternalForOtherRelease {
                        location,
                        pattern: pattern.to_vec(),
                    });
                }
                self.externals.push(directory.to_vec());
            }
            b"include" | b"make_map_files" => {
                return Err(DepmodProblem::NotImplemented { location, word: word.to_vec() });
            }
            _ => return Err(DepmodProblem::BadLine { location, word: word.to_vec() }),
        }
        Ok(())
    }
}

/// What the depmod.d files of `paths`, directories or single files, say to a kernel of that release.
#[must_use]
pub fn load(paths: &[PathBuf], reach: &dyn Reach, release: &[u8]) -> (DepmodConfig, Vec<DepmodProblem>) {
    let mut config = DepmodConfig::default();
    let parse = |file: &Path, text: &[u8]| config.parse(file, text, release);
    let problems = files::parse_all_by(reach, paths, &[], DepmodProblem::File, parse);
    (config, problems)
}

fn search_word(word: &[u8]) -> SearchWord {
    match word {
        b"built-in" => SearchWord::BuiltIn,
        b"external" => SearchWord::External,
        _ => SearchWord::Directory(word.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (DepmodConfig, Vec<String>) {
        let mut config = DepmodConfig::default();
        let problems = config.parse(Path::new("d/a.conf"), text.as_bytes(), b"6.1.0-56-amd64");
        (config, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn directives_accumulate_in_reading_order() {
        let (config, problems) = parse(
            "search updates built-in\nsearch external a/b\nexclude x y\nexclude z\n\
             override mod-a * kernel/x ignored\noverride mod_b 6\\\\.1 extra\nexternal ^6 /a\nexternal * /b\n",
        );
        let directory = |name: &str| SearchWord::Directory(name.as_bytes().to_vec());
        assert_eq!(
            config.search,
            [directory("updates"), SearchWord::BuiltIn, SearchWord::External, directory("a/b")]
        );
        assert_eq!(config.excludes, [b"x", b"y", b"z"]);
        let overrides: Vec<_> =
            config.overrides.iter().map(|line| (line.module.as_slice(), line.directory.as_slice())).collect();
        assert_eq!(overrides, [(&b"mod-a"[..], &b"kernel/x"[..]), (b"mod_b", b"extra")]);
        assert_eq!(config.externals, [b"/a", b"/b"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn lines_without_effect_are_explained() {
        let (config, problems) = parse(
            "override a [ b\noverride a ^5 b\noverride a *\noverride\nexternal ^5 /a\nexternal *\n\
             search\nexclude\n # x\ninclude x\nmake_map_files\nfoo bar\noverride a * c\\\nd\n",
        );
        assert_eq!(config.overrides, [Override { module: b"a".to_vec(), directory: b"cd".to_vec() }]);
        assert_eq!(
            problems,
            [
                "d/a.conf:1: override kernel did not match [",
                "d/a.conf:2: override kernel did not match ^5",
                "d/a.conf:3: ignoring bad line starting with 'override'",
                "d/a.conf:4: ignoring bad line starting with 'override'",
                "d/a.conf:5: external directory did not match ^5",
                "d/a.conf:6: ignoring bad line starting with 'external'",
                "d/a.conf:9: ignoring bad line starting with '#'",
                "d/a.conf:10: command include not implemented yet",
                "d/a.conf:11: command make_map_files not implemented yet",
                "d/a.conf:12: ignoring bad line starting with 'foo'",
            ]
        );
    }

    #[test]
    fn only_updates_is_searched_first_unless_something_else_is_asked_for() {
        let (config, _) = parse("search\n");
        assert_eq!(config.search_order(), [SearchWord::Directory(b"updates".to_vec())]);
        let (config, _) = parse("search built-in\n");
        assert_eq!(config.search_order(), [SearchWord::BuiltIn]);
    }

    #[test]
    fn files_are_loaded_in_order_and_an_unreadable_one_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        std::fs::write(root.path().join("b.conf"), "search b\n")?;
        std::fs::write(root.path().join("a.conf"), "search a\nbad\n")?;
        std::fs::create_dir(root.path().join("c.conf"))?;
        let (config, problems) = load(&[root.path().to_owned()], &files::Directly, b"6.1");
        let directory = |name: &str| SearchWord::Directory(name.as_bytes().to_vec());
        assert_eq!(config.search, [directory("a"), directory("b")]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(matches!(problems.first(), Some(DepmodProblem::File(FileProblem::DirectoryInside(_)))));
        assert!(matches!(problems.last(), Some(DepmodProblem::BadLine { .. })));
        Ok(())
    }
}
