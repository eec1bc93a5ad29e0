//! The text files of the database.

use modfile::list::{ByteString, Items, append};

use crate::build::binary;
use crate::build::bytes::Bytes;
use crate::build::catalog::Module;
use crate::build::notes::{FirstNotes, Note};
use crate::build::refuse::{self, Reason, Said};
use crate::build::sources::Sources;
use crate::config::files::LONGEST_BESIDE_MODULES;

/// `modules.dep`: each module's path and the paths of all that it depends on.
pub(super) fn dependencies(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Bytes {
    let Ok(lens) = sources.dependency_lens() else {
        notes.push(Note::TooLarge);
        return Vec::new().into();
    };
    if let Some(lines) = Bytes::lines_of(sources.dependency_index(binary::dependency_index)) {
        return lines;
    }
    let mut text = Vec::with_capacity(lens.iter().map(|len| len + 1).sum());
    let mut lines = sources.dependency_lines();
    for place in 0..lens.len() {
        lines.append(place, &mut text);
        text.push(b'\n');
    }
    text.into()
}

/// `modules.alias`: the aliases as the modules write them.
pub(super) fn aliases(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    for module in sources.catalog.modules() {
        note_refused(notes, module, Said::Alias, module.info.aliases(), refuse::key);
    }
    let aliases = sources.catalog.modules().iter().flat_map(|module| {
        let accepted = module.info.aliases().filter(|alias| refuse::key(alias).is_none());
        accepted.map(|alias| [b"alias ", alias, b" ", module.name.as_bytes()])
    });
    lines(b"# Aliases extracted from modules themselves.\n", aliases)
}

/// `modules.softdep`, which modprobe reads as configuration.
pub(super) fn softdeps(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    for module in sources.catalog.modules() {
        let reason = |text: &[u8]| refuse::configuration(&module.name, text);
        note_refused(notes, module, Said::Softdep, module.info.softdeps(), reason);
    }
    let softdeps = sources.catalog.modules().iter().flat_map(|module| {
        let name = &module.name;
        let accepted = module.info.softdeps().filter(|text| refuse::configuration(name, text).is_none());
        accepted.map(|softdep| [b"softdep ", name.as_bytes(), b" ", softdep])
    });
    configuration(b"# Soft dependencies extracted from modules themselves.\n", softdeps, notes)
}

/// `modules.weakdep`, which modprobe reads as configuration.
pub(super) fn weakdeps(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    for module in sources.catalog.modules() {
        let reason = |text: &[u8]| refuse::configuration(&module.name, text);
        note_refused(notes, module, Said::Weakdep, module.info.weakdeps(), reason);
    }
    let weakdeps = sources.catalog.modules().iter().flat_map(|module| {
        let name = &module.name;
        let accepted = module.info.weakdeps().filter(|text| refuse::configuration(name, text).is_none());
        accepted.map(|weakdep| [b"weakdep ", name.as_bytes(), b" ", weakdep])
    });
    configuration(b"# Weak dependencies extracted from modules themselves.\n", weakdeps, notes)
}

/// `modules.symbols`: which module provides which symbol.
pub(super) fn symbols(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    for module in sources.catalog.modules() {
        let names = module.info.exports().map(|export| export.name);
        note_refused(notes, module, Said::Symbol, names, refuse::key);
    }
    let provided = sources.symbols.provided().iter().filter_map(|&(symbol, owner)| {
        let module = sources.catalog.module(owner).filter(|_| refuse::key(symbol).is_none())?;
        Some([b"alias symbol:", symbol, b" ", module.name.as_bytes()])
    });
    lines(b"# Aliases for symbols, used by symbol_request().\n", provided)
}

/// A text that modprobe reads as configuration, unless it would be longer than it reads.
fn configuration<'a, const PARTS: usize>(
    header: &[u8],
    contents: impl Iterator<Item = [&'a [u8]; PARTS]> + Clone,
    notes: &mut Vec<Note>,
) -> Vec<u8> {
    let text = lines(header, contents);
    if text.len() > LONGEST_BESIDE_MODULES {
        notes.push(Note::TooLarge);
        return Vec::new();
    }
    text
}

/// Notes which strings of a module are left out of a text, and of the index beside it.
fn note_refused<'a>(
    notes: &mut Vec<Note>,
    module: &Module<'_>,
    said: Said,
    texts: impl Iterator<Item = &'a [u8]>,
    reason: impl Fn(&[u8]) -> Option<Reason>,
) {
    let mut notes = FirstNotes::new(notes);
    for text in texts {
        if let Some(reason) = reason(text) {
            notes.push(Note::Refused { module: module.name.clone(), said, text: text.to_vec(), reason });
        }
    }
    notes.end(Some(&module.name));
}

/// `modules.devname`: device nodes that exist before their driver does, so that opening one loads it.
pub(super) fn devnames(sources: &Sources<'_>, notes: &mut Vec<Note>) -> Vec<u8> {
    let mut text = Vec::new();
    for module in sources.catalog.modules() {
        let (Some(node), number) = node_and_number(module.info.aliases()) else { continue };
        let Some(Number { kind, major, minor }) = number else {
            notes.push(Note::NodeWithoutNumber { module: module.name.clone(), node: node.to_vec() });
            continue;
        };
        // A name with a blank would end before it, as a path would.
        let reason = refuse::configuration(&module.name, node).or_else(|| refuse::device_node(node));
        if let Some(reason) = reason {
            let (module, text) = (module.name.clone(), node.to_vec());
            notes.push(Note::Refused { module, said: Said::DeviceNode, text, reason });
            continue;
        }
        if text.is_empty() {
            text.extend_from_slice(b"# Device nodes to trigger on-demand module loading.\n");
        }
        let number = format!("{kind}{major}:{minor}");
        text.extend([module.name.as_bytes(), b" ", node, b" ", number.as_bytes(), b"\n"].concat());
    }
    text
}

/// A device number and whether it is a character (`c`) or a block device's (`b`).
struct Number {
    kind: char,
    major: u32,
    minor: u32,
}

/// The last node and the last number in a module's aliases up to where both are known.
fn node_and_number(aliases: Items<'_, ByteString>) -> (Option<&[u8]>, Option<Number>) {
    let (mut node, mut number) = (None, None);
    for alias in aliases {
        if let Some(name) = alias.strip_prefix(b"devname:") {
            node = Some(name);
        } else if let Some(rest) = alias.strip_prefix(b"char-major-") {
            number = device_number('c', rest).or(number);
        } else if let Some(rest) = alias.strip_prefix(b"block-major-") {
            number = device_number('b', rest).or(number);
        }
        if node.is_some() && number.is_some() {
            break;
        }
    }
    (node, number)
}

/// `MAJOR-MINOR` in decimal; what comes after it is ignored.
fn device_number(kind: char, text: &[u8]) -> Option<Number> {
    let (major, rest) = leading_number(text)?;
    let (minor, _) = leading_number(rest.strip_prefix(b"-")?)?;
    Some(Number { kind, major, minor })
}

fn leading_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// A header, and lines of these parts.
fn lines<'a, const PARTS: usize>(
    header: &[u8],
    lines: impl Iterator<Item = [&'a [u8]; PARTS]> + Clone,
) -> Vec<u8> {
    // Going through the parts twice takes less time than moving megabytes of text to where it fits.
    let len = lines.clone().map(|line| line.iter().map(|part| part.len()).sum::<usize>() + 1).sum::<usize>();
    let mut text = Vec::with_capacity(header.len() + len);
    text.extend_from_slice(header);
    for line in lines {
        line.iter().for_each(|part| append(&mut text, part));
        text.push(b'\n');
    }
    text
}
