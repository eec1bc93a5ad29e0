//! JSON text (RFC 8259), as much of it as the answers of this tool need.

use std::fmt::Write;

/// A string; what JSON does not allow in one is escaped.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A string or `null`.
pub(crate) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), string)
}

/// An array of values.
pub(crate) fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

/// An object of names and values, in this order.
pub(crate) fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_structure_kept() {
        assert_eq!(string("a\"\\\n\t\u{1}é"), "\"a\\\"\\\\\\n\\t\\u0001é\"");
        let object = object(&[("a", optional(None)), ("b", array([string("c")].into_iter()))]);
        assert_eq!(object, "{\"a\":null,\"b\":[\"c\"]}");
    }
}
