//! The binary indexes of the database.

use std::borrow::Cow;
use std::collections::HashSet;

use modfile::list::append;
use modfile::{ModuleName, Strings};

use crate::build::bytes::{Bytes, DependencyIndex};
use crate::build::notes::{FirstNotes, Note, alias_key};
use crate::build::refuse;
use crate::build::sources::Sources;
use crate::builtin;
use crate::index::writer::{IndexWriter, check};

/// `modules.dep.bin`: from a module's name to its line of `modules.dep`.
pub(super) fn dependencies(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Bytes {
    let index = sources.dependency_index(dependency_index);
    notes.extend_from_slice(&index.notes);
    Bytes::index(index)
}

/// The same, and where the lines stand in it.
pub(super) fn dependency_index(sources: &Sources<'_>) -> DependencyIndex {
    let modules = sources.catalog.modules();
    // That they are too long is noted where the text is made.
    let Ok(lens) = sources.dependency_lens() else { return DependencyIndex::default() };
    let mut notes = Vec::new();
    let mut lines = sources.dependency_lines();
    let mut index = Index::with_capacity(modules.len());
    let mut left_out = FirstNotes::new(&mut notes);
    let all_are_ascii = modules.iter().all(|module| module.path.is_ascii());
    let mut line = Vec::new();
    for (place, (module, &len)) in modules.iter().zip(lens).enumerate() {
        if !all_are_ascii {
            line.clear();
            lines.append(place, &mut line);
        }
        index.add_later(module.name.as_bytes(), place, len, &line, &mut left_out);
    }
    left_out.end(None);
    let mut places = vec![None; modules.len()];
    let bytes = index.finish_with(&mut notes, |place, bytes| {
        let start = bytes.len();
        lines.append(place, bytes);
        if let Some(slot) = places.get_mut(place) {
            *slot = Some(start..bytes.len());
        }
    });
    DependencyIndex { bytes, lines: places.into_iter().collect(), notes }
}

/// `modules.alias.bin`: from a normalised alias to the names of its modules.
pub(super) fn aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let count = sources.catalog.modules().iter().map(|module| module.info.alias_count()).sum();
    let mut index = Index::with_capacity(count);
    for (place, module) in sources.catalog.modules().iter().enumerate() {
        let mut own = HashSet::new();
        let mut notes = FirstNotes::new(notes);
        // Which ones are left out is noted where the text is made.
        for alias in module.info.aliases().filter(|alias| refuse::key(alias).is_none()) {
            match alias_key(alias) {
                Ok(key) => {
                    if sources.note_duplicates && !own.insert(key.clone()) {
                        let alias = key.clone().into_owned();
                        notes.push(Note::DuplicateAlias { alias, module: module.name.clone() });
                    }
                    index.add(key, module.name.as_bytes(), place, &mut notes);
                }
                Err(note) => notes.push(note),
            }
        }
        notes.end(Some(&module.name));
    }
    index.finish(notes)
}

/// `modules.symbols.bin`: from `symbol:NAME` to the name of the module that provides it.
pub(super) fn symbols(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let provided = sources.symbols.provided().iter().filter(|(symbol, _)| refuse::key(symbol).is_none());
    let mut keys = Strings::default();
    for (symbol, _) in provided.clone() {
        keys.push_with(|key| [b"symbol:", *symbol].iter().for_each(|part| append(key, part)));
    }
    let mut index = Index::with_capacity(sources.symbols.provided().len());
    let mut left_out = FirstNotes::new(notes);
    for (key, &(_, owner)) in keys.iter().zip(provided) {
        if let Some(module) = sources.catalog.module(owner) {
            index.add(key, module.name.as_bytes(), owner, &mut left_out);
        }
    }
    left_out.end(None);
    index.finish(notes)
}

/// `modules.builtin.bin`: the names of what is built into the kernel. Without an input the file is empty.
pub(super) fn builtin_names(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin else { return Vec::new() };
    let mut index = Index::with_capacity(0);
    let mut left_out = FirstNotes::new(notes);
    // compat: the newline belongs to a name that does not end before it, at a dot (case
    // depmod/input-builtin-without-suffix).
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.first().is_some_and(u8::is_ascii_alphabetic) {
            index.add(ModuleName::of_path(line).as_bytes().to_vec(), b"", 0, &mut left_out);
        } else {
            left_out.push(Note::InvalidBuiltin(line.to_vec()));
        }
    }
    left_out.end(None);
    index.finish(notes)
}

/// `modules.builtin.alias.bin`: the aliases of what is built into the kernel. Without an input the file is
/// empty.
pub(super) fn builtin_aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let Some(text) = sources.builtin_modinfo else { return Vec::new() };
    let mut index = Index::with_capacity(0);
    let mut left_out = FirstNotes::new(notes);
    for (module, alias) in builtin::aliases(text) {
        match alias_key(alias) {
            Ok(key) => index.add(key, module, 0, &mut left_out),
            Err(note) => left_out.push(note),
        }
    }
    left_out.end(None);
    index.finish(notes)
}

/// An index of keys, values and priorities; what it cannot hold is left out and noted.
struct Index<'a> {
    writer: IndexWriter<'a>,
}

impl<'a> Index<'a> {
    fn with_capacity(entries: usize) -> Self {
        Self { writer: IndexWriter::with_capacity(entries) }
    }

    fn add(
        &mut self,
        key: impl Into<Cow<'a, [u8]>>,
        value: &'a [u8],
        priority: usize,
        left_out: &mut FirstNotes<'_>,
    ) {
        let priority = u32::try_from(priority).unwrap_or(u32::MAX);
        if let Err(bad) = self.writer.insert(key, value, priority) {
            left_out.push(Note::BadCharacter { byte: bad.byte, text: bad.text });
        }
    }

    /// Adds an entry whose value is made when it is written, if `line`, its text, can stand in an index.
    fn add_later(
        &mut self,
        key: &'a [u8],
        place: usize,
        len: usize,
        line: &[u8],
        left_out: &mut FirstNotes<'_>,
    ) {
        let priority = u32::try_from(place).unwrap_or(u32::MAX);
        let added = check(key)
            .and_then(|()| check(line))
            .and_then(|()| self.writer.insert_later(key, place, len, priority));
        if let Err(bad) = added {
            left_out.push(Note::BadCharacter { byte: bad.byte, text: bad.text });
        }
    }

    fn finish(self, notes: &mut Vec<Note>) -> Vec<u8> {
        self.finish_with(notes, |_, _| {})
    }

    fn finish_with(self, notes: &mut Vec<Note>, write: impl FnMut(usize, &mut Vec<u8>)) -> Vec<u8> {
        self.writer.finish_with(write).unwrap_or_else(|_| {
            notes.push(Note::TooLarge);
            Vec::new()
        })
    }
}
