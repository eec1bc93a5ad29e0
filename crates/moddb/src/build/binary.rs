//! The binary indexes of the database.

use std::borrow::Cow;
use std::collections::HashSet;

use modfile::list::append;
use modfile::{ModuleName, Strings};

use crate::build::outputs::{Note, Sources, alias_key};
use crate::builtin;
use crate::index::writer::IndexWriter;

/// `modules.dep.bin`: from a module's name to its line of `modules.dep`.
pub(super) fn dependencies(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let modules = sources.catalog.modules();
    let mut index = Index::with_capacity(modules.len(), notes);
    for (place, (module, line)) in modules.iter().zip(sources.dependencies().iter()).enumerate() {
        index.add(module.name.as_bytes(), line, place);
    }
    index.finish()
}

/// `modules.alias.bin`: from a normalised alias to the names of its modules.
pub(super) fn aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let count = sources.catalog.modules().iter().map(|module| module.info.aliases().count()).sum();
    let mut index = Index::with_capacity(count, notes);
    for (place, module) in sources.catalog.modules().iter().enumerate() {
        let mut own = HashSet::new();
        for alias in module.info.aliases() {
            match alias_key(alias) {
                Ok(key) => {
                    if sources.note_duplicates && !own.insert(key.clone()) {
                        let alias = key.clone().into_owned();
                        index.notes.push(Note::DuplicateAlias { alias, module: module.name.clone() });
                    }
                    index.add(key, module.name.as_bytes(), place);
                }
                Err(note) => index.notes.push(note),
            }
        }
    }
    index.finish()
}

/// `modules.symbols.bin`: from `symbol:NAME` to the name of the module that provides it.
pub(super) fn symbols(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let provided = sources.symbols.provided();
    let mut keys = Strings::default();
    for (symbol, _) in provided {
        keys.push_with(|key| [b"symbol:", *symbol].iter().for_each(|part| append(key, part)));
    }
    let mut index = Index::with_capacity(provided.len(), notes);
    for (key, &(_, owner)) in keys.iter().zip(provided) {
        if let Some(module) = sources.catalog.module(owner) {
            index.add(key, module.name.as_bytes(), owner);
        }
    }
    index.finish()
}

/// `modules.builtin.bin`: the names of what is built into the kernel. Without an input the file is empty.
pub(super) fn builtin_names(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin else { return Vec::new() };
    let mut index = Index::with_capacity(0, notes);
    // compat: the newline belongs to a name that does not end before it, at a dot.
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.first().is_some_and(u8::is_ascii_alphabetic) {
            index.add(ModuleName::of_path(line).as_bytes().to_vec(), b"", 0);
        } else {
            index.notes.push(Note::InvalidBuiltin(line.to_vec()));
        }
    }
    index.finish()
}

/// `modules.builtin.alias.bin`: the aliases of what is built into the kernel. Without an input the file is
/// empty.
pub(super) fn builtin_aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin_modinfo else { return Vec::new() };
    let mut index = Index::with_capacity(0, notes);
    for (module, alias) in builtin::aliases(text) {
        match alias_key(alias) {
            Ok(key) => index.add(key, module, 0),
            Err(note) => index.notes.push(note),
        }
    }
    index.finish()
}

/// An index of keys, values and priorities; what it cannot hold is left out and noted.
struct Index<'a, 'n> {
    writer: IndexWriter<'a>,
    notes: &'n mut Vec<Note>,
}

impl<'a, 'n> Index<'a, 'n> {
    fn with_capacity(entries: usize, notes: &'n mut Vec<Note>) -> Self {
        Self { writer: IndexWriter::with_capacity(entries), notes }
    }

    fn add(&mut self, key: impl Into<Cow<'a, [u8]>>, value: &'a [u8], priority: usize) {
        let priority = u32::try_from(priority).unwrap_or(u32::MAX);
        if let Err(bad) = self.writer.insert(key, value, priority) {
            self.notes.push(Note::BadCharacter { byte: bad.byte, text: bad.text });
        }
    }

    fn finish(self) -> Vec<u8> {
        self.writer.finish().unwrap_or_else(|_| {
            self.notes.push(Note::TooLarge);
            Vec::new()
        })
    }
}
