//! The names in a module's parameters, read as the kernel reads them.

/// The names of the parameters in a text as it is given to the kernel: separated by white space that does not stand
/// between double quotes.
#[must_use]
pub fn names(params: &[u8]) -> Vec<Vec<u8>> {
    let mut quoted = false;
    let items = params.split(|&byte| {
        quoted ^= byte == b'"';
        !quoted && byte.is_ascii_whitespace()
    });
    let mut names = Vec::new();
    for item in items {
        // A quote before the name opens the whole item.
        let item = item.strip_prefix(b"\"").unwrap_or(item);
        let name = item.split(|&byte| byte == b'=').next().unwrap_or_default();
        if !name.is_empty() {
            names.push(name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }).collect());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_first_equals_sign_and_quotes_hold_values_together() {
        for (params, expected) in [
            ("", &[][..]),
            ("a=1 b", &["a", "b"]),
            ("  a=\"x y=2\"  b-c==3\t", &["a", "b_c"]),
            ("\"a=x y\" b=1", &["a", "b"]),
            ("a=\"open b=1", &["a"]),
            ("=1", &[]),
        ] {
            let names: Vec<String> =
                names(params.as_bytes()).into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
            assert_eq!(names, expected, "{params}");
        }
    }
}
