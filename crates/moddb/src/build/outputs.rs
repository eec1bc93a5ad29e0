//! The files of a module database, each as bytes in memory. Writing them is left to the caller.

use crate::build::{binary, text};

pub use crate::build::notes::Note;
pub use crate::build::sources::Sources;

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
