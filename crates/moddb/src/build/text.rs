//! The text files of the database.

use modfile::list::{ByteString, Items, append};

use crate::build::catalog::Module;
use crate::build::outputs::{Note, Sources};

/// `modules.dep`: each module's path and the paths of all that it depends on.
pub(super) fn dependencies(sources: &Sources<'_>, _: &mut Vec<Note>) -> Vec<u8> {
    let mut text = Vec::new();
    for dependencies in sources.dependencies.iter() {
        line(&mut text, &[dependencies]);
    }
    text
}

/// `modules.alias`: the aliases as the modules write them.
pub(super) fn aliases(sources: &Sources<'_>, _: &mut Vec<Note>) -> Vec<u8> {
    let mut text = b"# Aliases extracted from modules themselves.\n".to_vec();
    for module in sources.catalog.modules() {
        for alias in module.info.aliases() {
            line(&mut text, &[b"alias", alias, module.name.as_bytes()]);
        }
    }
    text
}

/// `modules.softdep`, which modprobe reads as configuration.
pub(super) fn softdeps(sources: &Sources<'_>, _: &mut Vec<Note>) -> Vec<u8> {
    let header = b"# Soft dependencies extracted from modules themselves.\n";
    directives(sources, header, b"softdep", |module| module.info.softdeps())
}

/// `modules.weakdep`, which modprobe reads as configuration.
pub(super) fn weakdeps(sources: &Sources<'_>, _: &mut Vec<Note>) -> Vec<u8> {
    let header = b"# Weak dependencies extracted from modules themselves.\n";
    directives(sources, header, b"weakdep", |module| module.info.weakdeps())
}

fn directives(
    sources: &Sources<'_>,
    header: &[u8],
    directive: &[u8],
    values: impl for<'m> Fn(&'m Module<'_>) -> Items<'m, ByteString>,
) -> Vec<u8> {
    let mut text = header.to_vec();
    for module in sources.catalog.modules() {
        for value in values(module) {
            line(&mut text, &[directive, module.name.as_bytes(), value]);
        }
    }
    text
}

/// `modules.symbols`: which module provides which symbol.
pub(super) fn symbols(sources: &Sources<'_>, _: &mut Vec<Note>) -> Vec<u8> {
    let mut text = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for &(symbol, owner) in sources.symbols.provided() {
        if let Some(module) = sources.catalog.module(owner) {
            text.extend_from_slice(b"alias symbol:");
            line(&mut text, &[symbol, module.name.as_bytes()]);
        }
    }
    text
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
        if text.is_empty() {
            text.extend_from_slice(b"# Device nodes to trigger on-demand module loading.\n");
        }
        line(&mut text, &[module.name.as_bytes(), node, format!("{kind}{major}:{minor}").as_bytes()]);
    }
    text
}

/// A device number and whether it is a character (`c`) or a block device's (`b`).
struct Number {
    kind: char,
    major: u32,
    minor: u32,
}

/// The last node and the last number that a module's aliases give before both are known.
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

/// Words separated by spaces.
fn line(text: &mut Vec<u8>, words: &[&[u8]]) {
    for (position, word) in words.iter().enumerate() {
        if position > 0 {
            text.push(b' ');
        }
        append(text, word);
    }
    text.push(b'\n');
}
