//! The files of a module database, each as bytes in memory: writing them is somebody else's work.

use std::borrow::Cow;
use std::sync::OnceLock;

use modfile::list::append;
use modfile::name::{UnmatchedBracket, normalize_alias};
use modfile::{ModuleName, Strings};

use crate::build::catalog::Catalog;
use crate::build::graph::DependencyGraph;
use crate::build::refuse::{Reason, Said};
use crate::build::symbols::SymbolTable;
use crate::build::{binary, text};

/// Whether people or programs read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines.
    Text,
    /// An index.
    Binary,
}

/// One file of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name in the module directory.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// How many notes of one kind about one module are written out; of the others only the number is.
const NOTES_EACH: usize = 10;

/// Something that could not stand in an output as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An alias without matching brackets can never match anything; it is left out of the index.
    UnmatchedBracket(Vec<u8>),
    /// What a module says would not stay what it is in the database; it is left out of all its files.
    Refused {
        /// The module.
        module: ModuleName,
        /// What kind of string it is.
        said: Said,
        /// The string.
        text: Vec<u8>,
        /// Why.
        reason: Reason,
    },
    /// There are more notes like those before it.
    More {
        /// The module that they are about, if they are about one.
        module: Option<ModuleName>,
        /// How many are not written out.
        count: usize,
        /// Whether the database lacks something because of one of them.
        is_loss: bool,
    },
    /// A module says the same alias twice.
    DuplicateAlias {
        /// The alias in its normalised form.
        alias: Vec<u8>,
        /// The module.
        module: ModuleName,
    },
    /// An index holds 7-bit characters only; the entry is left out of it.
    BadCharacter {
        /// The byte.
        byte: u8,
        /// The key or value that has it.
        text: Vec<u8>,
    },
    /// An index cannot be written, because its size exceeds the format.
    TooLarge,
    /// A line of `modules.builtin` names no module; its newline is part of it.
    InvalidBuiltin(Vec<u8>),
    /// A module names a device node, but no number for it.
    NodeWithoutNumber {
        /// The module.
        module: ModuleName,
        /// The node's name below `/dev`.
        node: Vec<u8>,
    },
}

/// What the database is made from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The modules.
    pub catalog: &'a Catalog<'a>,
    /// Who provides which symbol.
    pub symbols: &'a SymbolTable<'a>,
    graph: &'a DependencyGraph,
    dependencies: OnceLock<Strings>,
    /// Contents of `modules.builtin`, if there is one.
    pub builtin: Option<&'a [u8]>,
    /// Contents of `modules.builtin.modinfo`, if there is one.
    pub builtin_modinfo: Option<&'a [u8]>,
    /// Whether aliases that a module gives twice are noted.
    pub note_duplicates: bool,
}

impl<'a> Sources<'a> {
    /// What is made of modules, without anything built in.
    #[must_use]
    pub fn new(catalog: &'a Catalog<'a>, symbols: &'a SymbolTable<'a>, graph: &'a DependencyGraph) -> Self {
        Self {
            catalog,
            symbols,
            graph,
            dependencies: OnceLock::new(),
            builtin: None,
            builtin_modinfo: None,
            note_duplicates: false,
        }
    }

    /// Lines of `modules.dep` without newline, one for each module.
    pub(super) fn dependencies(&self) -> &Strings {
        self.dependencies.get_or_init(|| {
            let mut dependencies = Strings::default();
            for (module, closure) in self.catalog.modules().iter().zip(self.graph.closures()) {
                dependencies.push_with(|line| {
                    append(line, &module.path);
                    line.push(b':');
                    for dependency in closure.iter().filter_map(|&index| self.catalog.module(index)) {
                        line.push(b' ');
                        append(line, &dependency.path);
                    }
                });
            }
            dependencies
        })
    }
}

impl Note {
    /// Whether the database lacks something because of it.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Self::BadCharacter { .. } | Self::TooLarge | Self::Refused { .. } => true,
            Self::More { is_loss, .. } => *is_loss,
            Self::UnmatchedBracket(_)
            | Self::DuplicateAlias { .. }
            | Self::InvalidBuiltin(_)
            | Self::NodeWithoutNumber { .. } => false,
        }
    }
}

/// Notes about one module or one file, of which only the first few are written out: a hostile module can give
/// cause for a hundred thousand.
pub(super) struct FirstNotes<'n> {
    notes: &'n mut Vec<Note>,
    count: usize,
    is_loss: bool,
}

impl<'n> FirstNotes<'n> {
    pub(super) fn new(notes: &'n mut Vec<Note>) -> Self {
        Self { notes, count: 0, is_loss: false }
    }

    pub(super) fn push(&mut self, note: Note) {
        self.count += 1;
        if self.count <= NOTES_EACH {
            self.notes.push(note);
        } else {
            self.is_loss |= note.is_loss();
        }
    }

    /// Ends the notes, about a module if it was one.
    pub(super) fn end(self, module: Option<&ModuleName>) {
        let Self { notes, count, is_loss } = self;
        if count > NOTES_EACH {
            notes.push(Note::More { module: module.cloned(), count: count - NOTES_EACH, is_loss });
        }
    }
}

type Write = fn(&Sources<'_>, &mut Vec<Note>) -> Vec<u8>;

/// How one file of the database is made.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The file's name in the module directory.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    write: Write,
}

impl Recipe {
    /// Makes the file, and says what did not fit. Recipes do not depend on each other.
    #[must_use]
    pub fn write(&self, sources: &Sources<'_>) -> (Output, Vec<Note>) {
        let mut notes = Vec::new();
        let bytes = (self.write)(sources, &mut notes);
        (Output { name: self.name, kind: self.kind, bytes }, notes)
    }
}

/// Every file of the database, in the order in which kmod writes them.
const OUTPUTS: [(&str, Kind, Write); 11] = [
    ("modules.dep", Kind::Text, text::dependencies),
    ("modules.dep.bin", Kind::Binary, binary::dependencies),
    ("modules.alias", Kind::Text, text::aliases),
    ("modules.alias.bin", Kind::Binary, binary::aliases),
    ("modules.softdep", Kind::Text, text::softdeps),
    ("modules.weakdep", Kind::Text, text::weakdeps),
    ("modules.symbols", Kind::Text, text::symbols),
    ("modules.symbols.bin", Kind::Binary, binary::symbols),
    ("modules.builtin.bin", Kind::Binary, binary::builtin_names),
    ("modules.builtin.alias.bin", Kind::Binary, binary::builtin_aliases),
    ("modules.devname", Kind::Text, text::devnames),
];

/// How the files of the database are made, in the order in which kmod writes them.
pub fn recipes() -> impl Iterator<Item = Recipe> {
    OUTPUTS.iter().map(|&(name, kind, write)| Recipe { name, kind, write })
}

/// An alias in the form in which it is looked up, or a note that it never can be.
pub(super) fn alias_key(alias: &[u8]) -> Result<Cow<'_, [u8]>, Note> {
    normalize_alias(alias).map_err(|UnmatchedBracket| Note::UnmatchedBracket(alias.to_vec()))
}
