//! JSON text (RFC 8259), as much of it as the answers of the tools need. One object per line of an array reads well
//! and is easily taken apart.

use std::fmt::Write;

/// A string; what JSON does not allow in one is escaped.
#[must_use]
pub fn string(text: &str) -> String {
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

/// Bytes that are mostly text: a string, or if they are not UTF-8, which JSON cannot hold, an object whose only
/// member `bytes` has them in hexadecimal.
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => string(text),
        Err(_) => object(&[("bytes", string(&hexadecimal(bytes)))]),
    }
}

/// Two lower-case digits for each byte.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A value or `null`.
#[must_use]
pub fn optional(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// An array of values.
#[must_use]
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// An object of names and values, in this order.
#[must_use]
pub fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// A whole answer: an array with one value per line.
#[must_use]
pub fn lines(values: &[String]) -> String {
    if values.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", values.join(",\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_structure_kept() {
        assert_eq!(string("a\"\\\n\t\u{1}é"), "\"a\\\"\\\\\\n\\t\\u0001é\"");
        let object = object(&[("a", optional(None)), ("b", array([string("c")]))]);
        assert_eq!(object, "{\"a\":null,\"b\":[\"c\"]}");
        assert_eq!(lines(&[]), "[]\n");
        assert_eq!(lines(&["1".into(), "2".into()]), "[\n1,\n2\n]\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_lost() {
        assert_eq!(bytes("é".as_bytes()), "\"é\"");
        assert_eq!(bytes(b"a\xff"), "{\"bytes\":\"61ff\"}");
    }
}
