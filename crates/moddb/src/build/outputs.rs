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

/// How the bytes of a file are made.
#[derive(Clone, Copy, Debug)]
enum Write {
    /// For itself.
    Alone(fn(&Sources<'_>, &mut Vec<Note>) -> Vec<u8>),
    /// With bytes that another file has as well.
    Shared(fn(&Sources<'_>, &mut Vec<Note>) -> Bytes),
}

use Write::{Alone, Shared};

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
    /// Makes the file, and says what did not fit. The order in which recipes are carried out does not
    /// matter.
    #[must_use]
    pub fn write(&self, sources: &Sources<'_>) -> (Output, Vec<Note>) {
        let mut notes = Vec::new();
        let bytes = match self.write {
            Alone(write) => write(sources, &mut notes).into(),
            Shared(write) => write(sources, &mut notes),
        };
        (Output { name: self.name, kind: self.kind, bytes }, notes)
    }
}

/// Every file of the database, in the order in which kmod writes them.
const OUTPUTS: [(&str, OutputKind, Write); 11] = [
    ("modules.dep", OutputKind::Text, Shared(text::dependencies)),
    ("modules.dep.bin", OutputKind::Binary, Shared(binary::dependencies)),
    ("modules.alias", OutputKind::Text, Alone(text::aliases)),
    ("modules.alias.bin", OutputKind::Binary, Alone(binary::aliases)),
    ("modules.softdep", OutputKind::Text, Alone(text::softdeps)),
    ("modules.weakdep", OutputKind::Text, Alone(text::weakdeps)),
    ("modules.symbols", OutputKind::Text, Alone(text::symbols)),
    ("modules.symbols.bin", OutputKind::Binary, Alone(binary::symbols)),
    ("modules.builtin.bin", OutputKind::Binary, Alone(binary::builtin_names)),
    ("modules.builtin.alias.bin", OutputKind::Binary, Alone(binary::builtin_aliases)),
    ("modules.devname", OutputKind::Text, Alone(text::devnames)),
];

/// How the files of the database are made, in the order in which kmod writes them.
pub fn recipes() -> impl Iterator<Item = Recipe> {
    OUTPUTS.iter().map(|&(name, kind, write)| Recipe { name, kind, write })
}
