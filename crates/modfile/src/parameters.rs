//! The parameters of a module: what it says of them, and what is given for them.

mod text;
mod value;

use std::collections::HashMap;

use crate::modinfo;

pub use text::{Given, first_word, from_arguments, given, is_same_name, of_kernel};
pub use value::{ParameterType, is_same};

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
}
