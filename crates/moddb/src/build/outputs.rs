//! The files of a module database, each as bytes in memory. Writing them is left to the caller.

use crate::build::{binary, text};

pub use crate::build::bytes::Bytes;
pub use crate::build::notes::Note;
pub use crate::build::sources::Sources;

/// Whether people or programs read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
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
    pub kind: OutputKind,
    /// Its contents.
    pub bytes: Bytes,
}

/// What a file is made of, and how its bytes are made.
#[derive(Clone, Copy, Debug)]
enum Write {
    /// Of what modules say of themselves; who needs whom does not matter.
    Modules(fn(&Sources<'_>, &mut Vec<Note>) -> Vec<u8>),
    /// Of symbols, too.
    Symbols(fn(&Sources<'_>, &mut Vec<Note>) -> Vec<u8>),
    /// Of dependencies, with bytes that another file has as well.
    Dependencies(fn(&Sources<'_>, &mut Vec<Note>) -> Bytes),
}

use Write::{Dependencies, Modules, Symbols};

/// How one file of the database is made.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The file's name in the module directory.
    pub name: &'static str,
    /// What it is.
    pub kind: OutputKind,
    write: Write,
}

impl Recipe {
    /// Whether the file can be made before it is known who provides what, and who needs whom.
    #[must_use]
    pub fn is_of_modules_alone(&self) -> bool {
        matches!(self.write, Modules(_))
    }

    /// Whether the file has the lines of `modules.dep`.
    #[must_use]
    pub fn is_of_dependencies(&self) -> bool {
        matches!(self.write, Dependencies(_))
    }

    /// Makes the file, and says what did not fit. The order in which recipes are carried out does not
    /// matter.
    #[must_use]
    pub fn write(&self, sources: &Sources<'_>) -> (Output, Vec<Note>) {
        let mut notes = Vec::new();
        let bytes = match self.write {
            Modules(write) | Symbols(write) => write(sources, &mut notes).into(),
            Dependencies(write) => write(sources, &mut notes),
        };
        (Output { name: self.name, kind: self.kind, bytes }, notes)
    }
}

/// Every file of the database, in the order in which kmod writes them.
const OUTPUTS: [(&str, OutputKind, Write); 11] = [
    ("modules.dep", OutputKind::Text, Dependencies(text::dependencies)),
    ("modules.dep.bin", OutputKind::Binary, Dependencies(binary::dependencies)),
    ("modules.alias", OutputKind::Text, Modules(text::aliases)),
    ("modules.alias.bin", OutputKind::Binary, Modules(binary::aliases)),
    ("modules.softdep", OutputKind::Text, Modules(text::softdeps)),
    ("modules.weakdep", OutputKind::Text, Modules(text::weakdeps)),
    ("modules.symbols", OutputKind::Text, Symbols(text::symbols)),
    ("modules.symbols.bin", OutputKind::Binary, Symbols(binary::symbols)),
    ("modules.builtin.bin", OutputKind::Binary, Modules(binary::builtin_names)),
    ("modules.builtin.alias.bin", OutputKind::Binary, Modules(binary::builtin_aliases)),
    ("modules.devname", OutputKind::Text, Modules(text::devnames)),
];

/// How the files of the database are made, in the order in which kmod writes them.
pub fn recipes() -> impl Iterator<Item = Recipe> {
    OUTPUTS.iter().map(|&(name, kind, write)| Recipe { name, kind, write })
}
