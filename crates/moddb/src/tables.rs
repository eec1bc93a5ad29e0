//! The tables of a module directory: each is opened when it is first asked, and read from its text when its
//! index cannot be.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::PathBuf;

use modfile::{ModuleName, name::normalize_alias, regular};

use crate::builtin;
use crate::config::Gravity;
use crate::config::files::LONGEST_FILE;
use crate::index::writer::IndexWriter;
use crate::index::{FileSource, Index, IndexError, Source};
use crate::paths::{ModuleDir, Table};

/// A table cannot be used, or not in its usual form; the others can.
#[derive(Debug)]
pub enum TableProblem {
    /// Neither the index nor the text serves.
    Unusable {
        /// The table.
        table: Table,
        /// The index.
        index: PathBuf,
        /// What is wrong with it.
        error: IndexError,
    },
    /// The text is used instead of the index.
    TextInstead {
        /// The table.
        table: Table,
        /// The index.
        index: PathBuf,
        /// What is wrong with it.
        error: IndexError,
        /// The text.
        text: PathBuf,
    },
}

impl TableProblem {
    /// How much it matters: older depmods write no index of the aliases of what is built in.
    #[must_use]
    pub fn severity(&self) -> Gravity {
        match self {
            Self::Unusable { error, .. } if error.is_missing() => Gravity::Info,
            Self::Unusable { .. } => Gravity::Error,
            Self::TextInstead { table: Table::BuiltinAliases, error, .. } if error.is_missing() => {
                Gravity::Info
            }
            Self::TextInstead { .. } => Gravity::Warning,
        }
    }
}

impl fmt::Display for TableProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { index, error, .. } => write!(formatter, "{}: {error}", index.display()),
            Self::TextInstead { index, error, text, .. } => {
                let (index, text) = (index.display(), text.display());
                write!(formatter, "{index}: {error}; using {text}, run depmod to write it anew")
            }
        }
    }
}

/// The bytes of a table.
pub(crate) enum Bytes {
    File(FileSource),
    Memory(Vec<u8>),
}

impl Source for Bytes {
    fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size(),
            Self::Memory(bytes) => bytes.size(),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Memory(bytes) => bytes.read_at(buffer, offset),
        }
    }
}

/// What is known of a table so far.
enum State {
    Closed,
    Index(Index<Bytes>),
    /// An index made of the text.
    Text(Index<Bytes>),
    Unusable,
}

/// The tables of a module directory.
pub(crate) struct Tables {
    directory: ModuleDir,
    states: [RefCell<State>; Table::ALL.len()],
    problems: RefCell<Vec<TableProblem>>,
}

impl Tables {
    pub(crate) fn new(directory: ModuleDir) -> Self {
        let states = Table::ALL.map(|_| RefCell::new(State::Closed));
        Self { directory, states, problems: RefCell::new(Vec::new()) }
    }

    pub(crate) fn directory(&self) -> &ModuleDir {
        &self.directory
    }

    /// The problems met since they were last taken.
    pub(crate) fn take_problems(&self) -> Vec<TableProblem> {
        self.problems.take()
    }

    /// Forgets all that was opened. What is asked from now on is answered from what is there then.
    pub(crate) fn close(&self) {
        for state in &self.states {
            *state.borrow_mut() = State::Closed;
        }
    }

    /// Asks a table; `None` if it cannot be used. A question that meets damage is asked again of the text.
    pub(crate) fn ask<T>(
        &self,
        table: Table,
        question: impl Fn(&Index<Bytes>) -> Result<T, IndexError>,
    ) -> Option<T> {
        let mut state =
            self.states.iter().zip(Table::ALL).find(|(_, candidate)| *candidate == table)?.0.borrow_mut();
        if let State::Closed = *state {
            *state = match open(&self.directory, table) {
                Ok(index) => State::Index(index),
                Err(error) => self.text_instead(table, error),
            };
        }
        if let State::Index(index) = &*state {
            match question(index) {
                Ok(answer) => return Some(answer),
                Err(error @ IndexError::TooMuchWork) => return self.unanswered(table, error),
                Err(error) => *state = self.text_instead(table, error),
            }
        }
        let State::Text(index) = &*state else { return None };
        question(index).map_or_else(|error| self.unanswered(table, error), Some)
    }

    /// What takes the place of an index that cannot be used.
    fn text_instead(&self, table: Table, error: IndexError) -> State {
        let text = self.directory.text(table);
        let bytes = regular::read(&text, LONGEST_FILE).ok().and_then(|text| index_of_text(table, &text));
        let Some(in_memory) = bytes.and_then(|bytes| Index::new(Bytes::Memory(bytes)).ok()) else {
            return self.unanswered(table, error).unwrap_or(State::Unusable);
        };
        let index = self.directory.index(table);
        self.problems.borrow_mut().push(TableProblem::TextInstead { table, index, error, text });
        State::Text(in_memory)
    }

    fn unanswered<T>(&self, table: Table, error: IndexError) -> Option<T> {
        let index = self.directory.index(table);
        self.problems.borrow_mut().push(TableProblem::Unusable { table, index, error });
        None
    }
}

/// Where depmod has nothing to say of what is built in it leaves an empty file; anywhere else a full disk or a
/// power cut does.
fn open(directory: &ModuleDir, table: Table) -> Result<Index<Bytes>, IndexError> {
    let file = FileSource::open(&directory.index(table))?;
    if file.size() == 0 && !matches!(table, Table::Builtin | Table::BuiltinAliases) {
        return Err(IndexError::TooShort(0));
    }
    Index::new(Bytes::File(file))
}

/// The most lines of a text that are used instead of an index. A kernel with everything has a tenth of them.
const MOST_LINES: usize = 1 << 20;

/// The index that depmod would make of a table's text. Entries that an index cannot hold are left out.
///
/// Lines stand by ascending priority, so their numbers serve as such; what is built in has one priority.
fn index_of_text(table: Table, text: &[u8]) -> Option<Vec<u8>> {
    if memchr::memchr2_iter(b'\n', 0, text).take(MOST_LINES + 1).count() > MOST_LINES {
        return None;
    }
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let mut writer = IndexWriter::default();
    // An index holds 7-bit text; what cannot stand in it cannot be found in it either.
    let mut add =
        |key: Cow<'_, [u8]>, value, number| drop(writer.insert(Cow::Owned(key.into_owned()), value, number));
    match table {
        Table::Dependencies => {
            for (line, number) in lines.zip(0..) {
                let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
                let name = ModuleName::of_path(line.get(..colon).unwrap_or_default());
                add(name.as_bytes().into(), line, number);
            }
        }
        Table::Aliases => {
            for (line, number) in lines.zip(0..) {
                let Some((alias, module)) = alias_line(line) else { continue };
                if let Ok(key) = normalize_alias(alias) {
                    add(key, module, number);
                }
            }
        }
        Table::Symbols => {
            for (line, number) in lines.zip(0..) {
                let Some((symbol, module)) = alias_line(line) else { continue };
                add(symbol.into(), module, number);
            }
        }
        Table::Builtin => builtin::names(text).for_each(|name| add(name.as_bytes().into(), &[], 0)),
        Table::BuiltinAliases => {
            for (module, alias) in builtin::aliases(text) {
                if let Ok(key) = normalize_alias(alias) {
                    add(key, module, 0);
                }
            }
        }
    }
    writer.finish().ok()
}

/// `alias KEY MODULE`; the key may be empty or have spaces.
fn alias_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_prefix(b"alias ")?;
    let space = line.iter().rposition(|&byte| byte == b' ')?;
    let (key, module) = line.split_at(space);
    Some((key, module.strip_prefix(b" ")?))
}
