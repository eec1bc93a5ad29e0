//! Rust's text as the rules look at it.

/// The code of a file: without comments, the contents of string literals, and the tests at its end.
pub fn code(text: &str) -> String {
    let text = shipped(text);
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            code.push_str("\"\"");
            string_end(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest.get(1..).and_then(|rest| rest.find("\"'")).map_or(rest.len(), |at| at + 3)
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = rest.get(end..).unwrap_or_default();
    }
    code
}

/// Where the literal ends that `text` begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A file without the tests at its end.
pub fn shipped(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_contents_of_literals_and_tests_are_left_out() {
        let text = "a(\"x \\\" // y\"); // b\nc('\"', d);\n#[cfg(test)]\nmod t;\n";
        assert_eq!(code(text), "a(\"\"); \nc(, d);");
    }
}
