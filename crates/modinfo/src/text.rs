//! The text that scripts read: fields in the order of the file, one item each.

use modfile::modinfo;
use modfile::parameters::{self, Parameter};
use modfile::signature::{Contents, write_hexadecimal};

use crate::facts::{Facts, Wanted};
use crate::find::Found;
use crate::request::Separator;

/// The column in which values begin.
const COLUMN: usize = 16;

/// Fields of a signature in the order in which they are shown.
const SIGNATURE_FIELDS: [&str; 5] = ["sig_id", "signer", "sig_key", "sig_hashalgo", "signature"];
const BUILD_ID: &str = "build-id";

/// What must be read to show one field; `None` if what was found says enough.
pub(crate) fn wanted(field: &[u8]) -> Option<Wanted> {
    if field == b"filename" {
        None
    } else if field == BUILD_ID.as_bytes() {
        Some(Wanted::All)
    } else if SIGNATURE_FIELDS.iter().any(|name| name.as_bytes() == field) {
        Some(Wanted::Signature)
    } else {
        Some(Wanted::Strings)
    }
}

/// The items that are shown before anything of the module is read.
pub(crate) fn heading(found: &Found, separator: Separator) -> Vec<u8> {
    let mut text = Vec::new();
    if found.path.is_none() {
        labelled(&mut text, b"name", found.name.as_bytes(), separator);
    }
    labelled(&mut text, b"filename", &path(found), separator);
    text
}

/// All that the module says.
pub(crate) fn all(facts: &Facts, separator: Separator) -> Vec<u8> {
    let mut text = Vec::new();
    let own = modinfo::pairs(&facts.strings).filter(|(key, _)| !matches!(*key, b"parm" | b"parmtype"));
    for (key, value) in own {
        item(&mut text, key, value, separator);
    }
    for (name, value) in SIGNATURE_FIELDS.into_iter().zip(facts.signature.iter().flat_map(signature_values)) {
        item(&mut text, name.as_bytes(), &value, separator);
    }
    // compat: those that come up last stand first (case `modinfo/parameters`).
    for parameter in parameters::described(&facts.strings).all.iter().rev() {
        let described = match (parameter.description, parameter.kind) {
            // compat: alone, and only here, the type stands in the place of the description (case
            // `modinfo/parameters`).
            (None, Some(kind)) => [parameter.name, b":", kind].concat(),
            _ => described(parameter),
        };
        labelled(&mut text, b"parm", &described, separator);
    }
    text
}

/// The values of one field.
pub(crate) fn field(found: &Found, facts: &Facts, field: &[u8], separator: Separator) -> Vec<u8> {
    let mut text = Vec::new();
    let mut value = |value: &[u8]| {
        text.extend_from_slice(value);
        text.push(separator.byte());
    };
    if field == b"filename" {
        value(&path(found));
    } else if field == b"parm" {
        parameters::described(&facts.strings).all.iter().rev().for_each(|found| value(&described(found)));
    } else {
        if field == b"name" && found.path.is_none() {
            value(found.name.as_bytes());
        }
        modinfo::pairs(&facts.strings).filter(|(key, _)| *key == field).for_each(|(_, found)| value(found));
        if let Some(identifier) = facts.build_id.as_ref().filter(|_| field == BUILD_ID.as_bytes()) {
            value(&hexadecimal(identifier));
        }
        let signature = facts.signature.iter().flat_map(signature_values);
        let named = SIGNATURE_FIELDS.into_iter().zip(signature).filter(|(name, _)| name.as_bytes() == field);
        named.for_each(|(_, found)| value(&found));
    }
    text
}

fn path(found: &Found) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    found.path.as_ref().map_or(b"(builtin)".to_vec(), |path| path.as_os_str().as_bytes().to_vec())
}

fn signature_values(signature: &Contents) -> [Vec<u8>; 5] {
    [
        signature.kind.name().into(),
        signature.signer.clone(),
        hexadecimal(&signature.key),
        signature.digest.as_bytes().to_vec(),
        hexadecimal(&signature.bytes),
    ]
}

/// `NAME:DESCRIPTION (TYPE)`, with a type only if there is one.
fn described(parameter: &Parameter<'_>) -> Vec<u8> {
    let mut text = [parameter.name, b":", parameter.description.unwrap_or_default()].concat();
    if let Some(kind) = parameter.kind {
        text.extend_from_slice(&[b" (", kind, b")"].concat());
    }
    text
}

/// A field of the module: `KEY:` and its value in their columns, or `KEY=VALUE` between NULs.
fn item(text: &mut Vec<u8>, key: &[u8], value: &[u8], separator: Separator) {
    match separator {
        Separator::Newline => labelled(text, key, value, separator),
        Separator::Nul => {
            text.extend_from_slice(key);
            text.push(b'=');
            text.extend_from_slice(value);
            text.push(0);
        }
    }
}

/// `LABEL:` and a value in their columns, whatever separates the items: scripts go by the colon.
fn labelled(text: &mut Vec<u8>, label: &[u8], value: &[u8], separator: Separator) {
    text.extend_from_slice(label);
    text.push(b':');
    let spaces = COLUMN.saturating_sub(label.len() + 1);
    text.extend(std::iter::repeat_n(b' ', spaces));
    text.extend_from_slice(value);
    text.push(separator.byte());
}

fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 4);
    write_hexadecimal(bytes, &mut text);
    text
}
