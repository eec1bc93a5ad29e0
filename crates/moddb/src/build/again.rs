//! The indexes of a database, made again of its text files.
//!
//! Each index says what a text file says, in another form. So whether a database was damaged can be seen without
//! reading a module: the indexes have to be those that its own text files give.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use modfile::ModuleName;

use super::binary;
use super::catalog::Catalog;
use super::graph::DependencyGraph;
use super::notes::alias_key;
use super::outputs::Sources;
use super::symbols::SymbolOwners;
use crate::index::writer::IndexWriter;

/// The texts that indexes are made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// `modules.dep`.
    pub dependencies: &'a [u8],
    /// `modules.alias`.
    pub aliases: &'a [u8],
    /// `modules.symbols`.
    pub symbols: &'a [u8],
    /// `modules.builtin`, if there is one.
    pub builtin: Option<&'a [u8]>,
    /// `modules.builtin.modinfo`, if there is one.
    pub builtin_modinfo: Option<&'a [u8]>,
}

/// The index of that name; `None` if there is no such index, or the text is not what depmod writes.
#[must_use]
pub fn index(name: &str, texts: &Texts<'_>) -> Option<Vec<u8>> {
    match name {
        "modules.dep.bin" => dependencies(texts.dependencies),
        "modules.alias.bin" => aliases(texts.aliases, &places(texts.dependencies)),
        "modules.symbols.bin" => aliases(texts.symbols, &places(texts.dependencies)),
        "modules.builtin.bin" => built_in(texts, binary::builtin_names),
        "modules.builtin.alias.bin" => built_in(texts, binary::builtin_aliases),
        _ => None,
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

fn name_of(line: &[u8]) -> Option<ModuleName> {
    let path = line.split(|&byte| byte == b':').next()?;
    Some(ModuleName::of_path(path))
}

/// The place of each module in the database.
fn places(dependencies: &[u8]) -> HashMap<ModuleName, u32, RandomState> {
    (0..).zip(lines(dependencies)).filter_map(|(place, line)| Some((name_of(line)?, place))).collect()
}

fn dependencies(text: &[u8]) -> Option<Vec<u8>> {
    let mut writer = IndexWriter::with_capacity(0);
    for (place, line) in (0..).zip(lines(text)) {
        // What an index cannot hold is in the text alone.
        let _ = writer.insert(name_of(line)?.as_bytes().to_vec(), line, place);
    }
    writer.finish().ok()
}

fn aliases(text: &[u8], places: &HashMap<ModuleName, u32, RandomState>) -> Option<Vec<u8>> {
    let mut lines = lines(text);
    if !lines.next()?.starts_with(b"#") {
        return None;
    }
    let mut writer = IndexWriter::with_capacity(lines.clone().count());
    for line in lines {
        let rest = line.strip_prefix(b"alias ")?;
        let (alias, module) = rest.split_at_checked(rest.iter().rposition(|&byte| byte == b' ')?)?;
        let module = module.trim_ascii_start();
        let place = *places.get(&ModuleName::of_path(module))?;
        if let Ok(key) = alias_key(alias) {
            let _ = writer.insert(key, module, place);
        }
    }
    writer.finish().ok()
}

fn built_in(
    texts: &Texts<'_>,
    write: fn(&Sources<'_>, &mut Vec<super::outputs::Note>) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let catalog = Catalog::default();
    let symbols = SymbolOwners::new(&catalog, None, None);
    let graph = DependencyGraph::new(Vec::new()).ok()?;
    let mut sources = Sources::new(&catalog, &symbols, &graph);
    sources.builtin = texts.builtin;
    sources.builtin_modinfo = texts.builtin_modinfo;
    Some(write(&sources, &mut Vec::new()))
}
