//! The parameters of a module: what it says of them, and what is given for them.

use std::collections::HashMap;

use crate::modinfo;

/// What a module says of one of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What `parm=` says of it.
    pub description: Option<&'a [u8]>,
    /// What `parmtype=` says of it.
    pub kind: Option<&'a [u8]>,
}

/// The parameters of a module, as it describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// In the order in which their names come up first. Of two descriptions, or types, the later counts.
    pub all: Vec<Parameter<'a>>,
    /// Keys and values of `parm=` and `parmtype=` that name nothing, for want of a colon.
    pub nameless: Vec<(&'a [u8], &'a [u8])>,
}

/// The parameters that a `.modinfo` section describes: `parm=NAME:DESCRIPTION` and `parmtype=NAME:TYPE`.
#[must_use]
pub fn described(section: &[u8]) -> Parameters<'_> {
    let mut parameters = Parameters::default();
    let mut places = HashMap::new();
    for (key, value) in modinfo::pairs(section) {
        let is_type = match key {
            b"parm" => false,
            b"parmtype" => true,
            _ => continue,
        };
        let Some(colon) = value.iter().position(|&byte| byte == b':') else {
            parameters.nameless.push((key, value));
            continue;
        };
        let (name, text) = (value.get(..colon).unwrap_or_default(), value.get(colon + 1..));
        let place = *places.entry(name).or_insert_with(|| {
            parameters.all.push(Parameter { name, description: None, kind: None });
            parameters.all.len() - 1
        });
        if let Some(parameter) = parameters.all.get_mut(place) {
            *(if is_type { &mut parameter.kind } else { &mut parameter.description }) = text;
        }
    }
    parameters
}

/// A parameter that is given to a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name, each `-` as `_`.
    pub name: Vec<u8>,
    /// What stands behind `=`, without quotes around it; `None` without one.
    pub value: Option<Vec<u8>>,
}

/// Takes a parameter string apart as the kernel does (`next_arg` of lib/cmdline.c): white space separates, except
/// between double quotes; a quote may stand before the name or before the value.
#[must_use]
pub fn given(text: &[u8]) -> Vec<Given> {
    let mut quoted = false;
    let items = text.split(|&byte| {
        quoted ^= byte == b'"';
        !quoted && byte.is_ascii_whitespace()
    });
    items.filter_map(one).collect()
}

fn one(item: &[u8]) -> Option<Given> {
    // A quote before the name opens the whole item.
    let (item, whole) = match item.strip_prefix(b"\"") {
        Some(rest) => (rest.strip_suffix(b"\"").unwrap_or(rest), true),
        None => (item, false),
    };
    let mut halves = item.splitn(2, |&byte| byte == b'=');
    let name = halves.next().filter(|name| !name.is_empty())?;
    let value = halves.next().map(|value| match value.strip_prefix(b"\"") {
        Some(rest) if !whole => rest.strip_suffix(b"\"").unwrap_or(rest).to_vec(),
        _ => value.to_vec(),
    });
    Some(Given { name: name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }).collect(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_and_types_come_together_by_the_name_of_the_parameter() {
        let section = b"parm=size:how much\0license=GPL\0parmtype=size:int\0parm=on:a: b\0parm=nothing\0\
                        parmtype=raw:bool\0parm=size:again\0parm=:\0";
        let parameters = described(section);
        let one = |name, description, kind| Parameter { name, description, kind };
        let expected: [Parameter<'_>; 4] = [
            one(b"size", Some(b"again"), Some(b"int")),
            one(b"on", Some(b"a: b"), None),
            one(b"raw", None, Some(b"bool")),
            one(b"", Some(b""), None),
        ];
        assert_eq!(parameters.all, expected);
        assert_eq!(parameters.nameless, [(&b"parm"[..], &b"nothing"[..])]);
    }

    #[test]
    fn a_parameter_string_is_taken_apart_as_the_kernel_does() {
        for (text, expected) in [
            ("", &[][..]),
            ("a=1 b", &[("a", Some("1")), ("b", None)]),
            ("  a=\"x y=2\"  b-c==3\t", &[("a", Some("x y=2")), ("b_c", Some("=3"))]),
            ("\"a=x y\" b=", &[("a", Some("x y")), ("b", Some(""))]),
            ("a=\"open b=1", &[("a", Some("open b=1"))]),
            ("=1", &[]),
        ] {
            let found: Vec<_> =
                given(text.as_bytes()).into_iter().map(|given| (given.name, given.value)).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec())))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
