//! The form of the small files in `/run`: lines `key=value`, `#` begins a comment.
//!
//! A value is any bytes: control characters, backslashes and bytes outside of ASCII are written as `\xNN`. Nothing
//! here knows which keys there are.

/// A line that we did not write. The whole file is then ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is damaged")]
pub struct Damaged(pub usize);

/// A key as it stands in the text, and its value.
type Pair<'a> = (&'a [u8], Vec<u8>);

/// The pairs of a file in order.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Pair<'_>>, Damaged> {
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let at = line.iter().position(|&byte| byte == b'=').ok_or(Damaged(number))?;
        let (key, value) = line.split_at(at);
        let value = value.get(1..).and_then(unescape).ok_or(Damaged(number))?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// A line, newline included.
pub(crate) fn line(key: &str, value: &[u8]) -> Vec<u8> {
    let mut line = format!("{key}=").into_bytes();
    line.extend(escape(value));
    line.push(b'\n');
    line
}

/// The value of a key that stands exactly once.
pub(crate) fn single<'a>(pairs: &'a [Pair<'_>], key: &str) -> Option<&'a [u8]> {
    let mut found = pairs.iter().filter(|(name, _)| *name == key.as_bytes());
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

/// A decimal number without sign.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// `bytes` as one word of printable ASCII without blanks.
pub(crate) fn escape_word(bytes: &[u8]) -> Vec<u8> {
    escape_where(bytes, |byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn escape(bytes: &[u8]) -> Vec<u8> {
    escape_where(bytes, |byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'\\')
}

fn escape_where(bytes: &[u8], stays: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if stays(byte) { text.push(byte) } else { text.extend(format!("\\x{byte:02x}").into_bytes()) }
    }
    text
}

/// The bytes that an escaped text stands for; `None` if it was never written by this module.
pub(crate) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (digits, after) = rest.strip_prefix(b"x")?.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            b' ' => bytes.push(byte),
            _ if byte.is_ascii_graphic() => bytes.push(byte),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_that_is_no_pair_spoils_the_file() {
        for text in ["a", "a=1\n b", "a=\\x4", "a=\\n", "a=\u{e9}", "a=\t"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(parse(b"# x\n\na=b=c\n=\n").unwrap(), [(&b"a"[..], b"b=c".to_vec()), (b"", vec![])]);
    }

    #[test]
    fn a_key_that_stands_twice_has_no_value() {
        let pairs = parse(b"a=1\nb=2\na=1\n").unwrap();
        assert_eq!(single(&pairs, "b"), Some(&b"2"[..]));
        assert_eq!(single(&pairs, "a"), None);
    }

    #[test]
    fn numbers_have_digits_only() {
        for (text, value) in [("12", Some(12)), ("", None), ("+1", None), ("-1", None), ("1 ", None)] {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
        assert_eq!(number(b"18446744073709551616"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_survive_a_line(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = line("key", &value);
            prop_assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 1);
            prop_assert_eq!(parse(&text).unwrap(), vec![(&b"key"[..], value)]);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }
    }
}
