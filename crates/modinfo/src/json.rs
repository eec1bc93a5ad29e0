//! All that is known of a module as one JSON object.

use std::collections::HashMap;

use modcli::json::{array, bytes, hexadecimal, object, optional, string};
use modfile::signature::Contents;
use modfile::{modinfo, parameters};

use crate::facts::Facts;
use crate::find::{Found, Says};
use crate::values::{Configured, Values};

/// The object. Each field is an array, because each may come more than once.
pub(crate) fn module(found: &Found, facts: &Facts, values: Option<&Values<'_>>) -> String {
    use std::os::unix::ffi::OsStrExt;
    let path = found.path.as_ref().map(|path| bytes(path.as_os_str().as_bytes()));
    object(&[
        ("name", bytes(found.name.as_bytes())),
        ("filename", optional(path)),
        ("builtin", (found.says == Says::Builtin).to_string()),
        ("fields", fields(facts)),
        ("build_id", optional(facts.build_id.as_deref().map(|id| string(&hexadecimal(id))))),
        ("signature", optional(facts.signature.as_ref().map(signature))),
        ("parameters", all_parameters(found, facts, values)),
    ])
}

/// The strings of the module except those of its parameters, by their keys in the order of the file.
fn fields(facts: &Facts) -> String {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in modinfo::pairs(&facts.strings) {
        if matches!(key, b"parm" | b"parmtype") {
            continue;
        }
        let key = String::from_utf8_lossy(key).into_owned();
        let place = *places.entry(key).or_insert_with_key(|key| {
            fields.push((key.clone(), Vec::new()));
            fields.len() - 1
        });
        if let Some((_, values)) = fields.get_mut(place) {
            values.push(bytes(value));
        }
    }
    let members: Vec<(&str, String)> =
        fields.iter().map(|(key, values)| (key.as_str(), array(values.iter().cloned()))).collect();
    object(&members)
}

fn signature(signature: &Contents) -> String {
    object(&[
        ("id", string(signature.kind.name())),
        ("signer", bytes(&signature.signer)),
        ("key", string(&hexadecimal(&signature.key))),
        ("hash", string(&signature.digest)),
        ("signature", string(&hexadecimal(&signature.bytes))),
    ])
}

fn all_parameters(found: &Found, facts: &Facts, values: Option<&Values<'_>>) -> String {
    let configured = values.map(|values| values.configured(&found.name)).unwrap_or_default();
    let described = parameters::described(&facts.strings);
    array(described.all.iter().map(|parameter| {
        let present = values.and_then(|values| values.present(&found.name, parameter.name));
        let configured = Values::of_parameter(&configured, parameter.name);
        object(&[
            ("name", bytes(parameter.name)),
            ("type", optional(parameter.kind.map(bytes))),
            ("description", optional(parameter.description.map(bytes))),
            ("value", optional(present.as_deref().map(bytes))),
            ("configured", optional(configured.as_ref().map(self::configured))),
        ])
    }))
}

fn configured(configured: &Configured) -> String {
    object(&[
        ("value", optional(configured.value.as_deref().map(bytes))),
        ("origin", string(&configured.origin)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_arrays_and_bytes_that_are_no_text_are_kept() {
        let found = Found { name: "m".into(), path: Some("/m.ko".into()), says: Says::File };
        let strings = b"alias=a\0license=GPL\0alias=b\xff\0flag\0parm=p:how\0parmtype=p:int\0";
        let facts = Facts { strings: strings.to_vec(), build_id: Some(vec![0xab, 1]), ..Facts::default() };
        assert_eq!(
            module(&found, &facts, None),
            "{\"name\":\"m\",\"filename\":\"/m.ko\",\"builtin\":false,\
             \"fields\":{\"alias\":[\"a\",{\"bytes\":\"62ff\"}],\"license\":[\"GPL\"],\"flag\":[\"\"]},\
             \"build_id\":\"ab01\",\"signature\":null,\
             \"parameters\":[{\"name\":\"p\",\"type\":\"int\",\"description\":\"how\",\"value\":null,\
             \"configured\":null}]}"
        );
    }
}
