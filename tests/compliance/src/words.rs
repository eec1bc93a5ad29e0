//! Words of a case's lines: separated by white space, `'...'` protects spaces, `\xNN`, `\0`, `\n`, `\t` and
//! `\\` stand for bytes that a text file cannot show.

use anyhow::{Result, bail, ensure};

/// Splits a line; the words may hold any byte.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    ensure!(!quoted, "a quote is not closed in: {line}");
    words.extend(word);
    words.iter().map(|word| unescape(word)).collect()
}

/// Replaces the escapes.
pub fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let [kind, after @ ..] = rest else { bail!("a backslash ends: {text}") };
        rest = after;
        match kind {
            b'0' => bytes.push(0),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let (digits, after) = rest.split_at(rest.len().min(2));
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits)?, 16)?);
                rest = after;
            }
            other => bail!("unknown escape \\{} in: {text}", char::from(*other)),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_spaces_and_escapes_give_bytes() {
        let words = split(r"-P '' 'a b'c \xff").unwrap();
        assert_eq!(words, [&b"-P"[..], b"", b"a bc", b"\xff"]);
        assert!(split("'open").is_err());
        assert!(unescape(r"\q").is_err());
    }
}
