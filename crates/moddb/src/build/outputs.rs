//! The files of a module database, each as bytes in memory: writing them is somebody else's work.

use modfile::ModuleName;
use modfile::name::{UnmatchedBracket, normalize_alias};

use crate::build::catalog::{Catalog, Module};
use crate::build::graph::DependencyGraph;
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

/// Something that could not stand in an output as it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// An alias without matching brackets can never match anything; it is left out of the index.
    #[error("Unmatched bracket in {}", String::from_utf8_lossy(.0))]
    UnmatchedBracket(Vec<u8>),
    /// A module says the same alias twice.
    #[error("duplicate module alias:\n{} {module}", String::from_utf8_lossy(.alias))]
    DuplicateAlias {
        /// The alias in its normalised form.
        alias: Vec<u8>,
        /// The module.
        module: ModuleName,
    },
    /// An index holds 7-bit characters only; the entry is left out of it.
    #[error(
        "Module index: bad character '{}'=0x{byte:x} - only 7-bit ASCII is supported:\n{}",
        char::from(*.byte),
        String::from_utf8_lossy(.text)
    )]
    BadCharacter {
        /// The index.
        output: &'static str,
        /// The byte.
        byte: u8,
        /// The key or value that has it.
        text: Vec<u8>,
    },
    /// An index cannot be written, because its size exceeds the format.
    #[error("Could not write index '{0}': File too large")]
    IndexTooLarge(&'static str),
    /// A line of `modules.builtin` names no module.
    #[error("Invalid modules.builtin line: {}", String::from_utf8_lossy(.0))]
    InvalidBuiltin(Vec<u8>),
    /// A module names a device node, but no number for it.
    #[error(
        "Module '{module}' has devname ({}) but lacks major and minor information. Ignoring.",
        String::from_utf8_lossy(.node)
    )]
    NodeWithoutNumber {
        /// The module.
        module: ModuleName,
        /// The node's name below `/dev`.
        node: Vec<u8>,
    },
}

/// What the database is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The modules.
    pub catalog: &'a Catalog,
    /// Who provides which symbol.
    pub symbols: &'a SymbolTable<'a>,
    /// Who depends on whom.
    pub graph: &'a DependencyGraph,
    /// Contents of `modules.builtin`, if there is one.
    pub builtin: Option<&'a [u8]>,
    /// Contents of `modules.builtin.modinfo`, if there is one.
    pub builtin_modinfo: Option<&'a [u8]>,
}

type Write = fn(&Sources<'_>, &mut Vec<Note>) -> Vec<u8>;

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
    ("modules.builtin.bin", Kind::Binary, binary::builtin),
    ("modules.builtin.alias.bin", Kind::Binary, binary::builtin_aliases),
    ("modules.devname", Kind::Text, text::devnames),
];

/// The names of all files of the database, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    OUTPUTS.iter().map(|&(name, ..)| name)
}

/// Makes the files of the database of the wanted kinds, and says what did not fit.
pub fn write<'a>(
    sources: &'a Sources<'a>,
    wanted: impl Fn(Kind) -> bool + 'a,
) -> impl Iterator<Item = (Output, Vec<Note>)> + 'a {
    OUTPUTS.iter().filter(move |&&(_, kind, _)| wanted(kind)).map(|&(name, kind, write)| {
        let mut notes = Vec::new();
        let bytes = write(sources, &mut notes);
        (Output { name, kind, bytes }, notes)
    })
}

/// A line of `modules.dep` without its newline.
pub(super) fn dependency_line(sources: &Sources<'_>, index: usize, module: &Module, line: &mut Vec<u8>) {
    line.extend_from_slice(&module.path);
    line.push(b':');
    for dependency in sources.graph.closure(index) {
        line.push(b' ');
        line.extend(sources.catalog.module(dependency).into_iter().flat_map(|module| &module.path));
    }
}

/// An alias in the form in which it is looked up, or a note that it never can be.
pub(super) fn alias_key(alias: &[u8]) -> Result<Vec<u8>, Note> {
    normalize_alias(alias).map_err(|UnmatchedBracket| Note::UnmatchedBracket(alias.to_vec()))
}
