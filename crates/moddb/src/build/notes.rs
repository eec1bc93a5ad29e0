//! What could not stand in the files of the database as it was given.

use std::borrow::Cow;

use modfile::ModuleName;
use modfile::name::{UnmatchedBracket, normalize_alias};

use crate::build::refuse::{Reason, Said};

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
    /// A file cannot be written, because an index could not hold what it says; it is empty. Then no file of this
    /// database should be put in place.
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

/// An alias in the form in which it is looked up, or a note that it never can be.
pub(super) fn alias_key(alias: &[u8]) -> Result<Cow<'_, [u8]>, Note> {
    normalize_alias(alias).map_err(|UnmatchedBracket| Note::UnmatchedBracket(alias.to_vec()))
}
