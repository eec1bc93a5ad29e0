//! The binary indexes of the database.

use std::collections::HashSet;

use modfile::list::append;
use modfile::{ModuleName, Strings};

use crate::build::outputs::{Note, Sources, alias_key};
use crate::builtin;
use crate::index::writer::IndexWriter;

/// `modules.dep.bin`: from a module's name to its line of `modules.dep`.
pub(super) fn dependencies(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let entries = sources.catalog.modules().iter().zip(sources.dependencies().iter()).enumerate();
    let entries = entries.map(|(index, (module, line))| (module.name.as_bytes(), line, index));
    index(entries, notes)
}

/// `modules.alias.bin`: from a normalised alias to the names of its modules.
pub(super) fn aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let count = sources.catalog.modules().iter().map(|module| module.info.aliases().count()).sum();
    let mut entries = Vec::with_capacity(count);
    for (index, module) in sources.catalog.modules().iter().enumerate() {
        let mut own = HashSet::new();
        for alias in module.info.aliases() {
            match alias_key(alias) {
                Ok(key) => {
                    if sources.note_duplicates && !own.insert(key.clone()) {
                        let alias = key.clone().into_owned();
                        notes.push(Note::DuplicateAlias { alias, module: module.name.clone() });
                    }
                    entries.push((key, module.name.as_bytes(), index));
                }
                Err(note) => notes.push(note),
            }
        }
    }
    index(entries.iter().map(|(key, name, index)| (&**key, *name, *index)), notes)
}

/// `modules.symbols.bin`: from `symbol:NAME` to the name of the module that provides it.
pub(super) fn symbols(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let mut keys = Strings::default();
    for (symbol, _) in sources.symbols.provided() {
        keys.push_with(|key| [b"symbol:", *symbol].iter().for_each(|part| append(key, part)));
    }
    let entries = keys
        .iter()
        .zip(sources.symbols.provided())
        .filter_map(|(key, &(_, owner))| Some((key, sources.catalog.module(owner)?.name.as_bytes(), owner)));
    index(entries, notes)
}

/// `modules.builtin.bin`: the names of what is built into the kernel. Without an input the file is empty.
pub(super) fn builtin_names(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin else { return Vec::new() };
    let mut names = Vec::new();
    // compat: the newline belongs to a name that does not end before it, at a dot.
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.first().is_some_and(u8::is_ascii_alphabetic) {
            names.push(ModuleName::of_path(line));
        } else {
            notes.push(Note::InvalidBuiltin(line.to_vec()));
        }
    }
    index(names.iter().map(|name| (name.as_bytes(), [].as_slice(), 0)), notes)
}

/// `modules.builtin.alias.bin`: the aliases of what is built into the kernel. Without an input the file is
/// empty.
pub(super) fn builtin_aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin_modinfo else { return Vec::new() };
    let mut keys = Vec::new();
    for (module, alias) in builtin::aliases(text) {
        match alias_key(alias) {
            Ok(key) => keys.push((key, module)),
            Err(note) => notes.push(note),
        }
    }
    let entries = keys.iter().map(|(key, module)| (&**key, *module, 0));
    index(entries, notes)
}

/// An index of keys, values and priorities; what it cannot hold is left out and noted.
fn index<'a>(entries: impl Iterator<Item = (&'a [u8], &'a [u8], usize)>, notes: &mut Vec<Note>) -> Vec<u8> {
    let (least, most) = entries.size_hint();
    let mut writer = IndexWriter::with_capacity(most.unwrap_or(least));
    for (key, value, priority) in entries {
        let priority = u32::try_from(priority).unwrap_or(u32::MAX);
        if let Err(bad) = writer.insert(key, value, priority) {
            notes.push(Note::BadCharacter { byte: bad.byte, text: bad.text });
        }
    }
    writer.finish().unwrap_or_else(|_| {
        notes.push(Note::TooLarge);
        Vec::new()
    })
}
