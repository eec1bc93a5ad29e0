//! JSON (RFC 8259) as the tools print it: the one place that knows how names, and bytes that are no text, become JSON.
//! One object per line of an array reads well and is easily taken apart.
//!
//! Strings are serde_json's. Control characters that JSON allows, from U+007F to U+009F, are escaped too: a terminal
//! that shows the answer must not obey them.

use std::fmt::Write;

/// A string.
#[must_use]
pub fn string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    if !quoted.contains(char::is_control) {
        return quoted;
    }
    quoted.chars().fold(String::new(), |mut text, character| {
        if character.is_control() {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
        text
    })
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
        assert_eq!(string("\u{7f}\u{9b}m"), "\"\\u007f\\u009bm\"");
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
