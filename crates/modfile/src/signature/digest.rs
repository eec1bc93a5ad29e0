//! The names of digests. In a PKCS#7 structure a digest is an object identifier (ITU-T X.660); people know it by the
//! name that OpenSSL prints.

use std::borrow::Cow;
use std::fmt::Write;

/// Identifiers as they are encoded, and OpenSSL's names. The SHA-2 and SHA-3 families are NIST's (2.16.840.1.101.3.4.2).
const NAMES: [(&[u8], &str); 24] = [
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 1], "sha256"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 2], "sha384"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 3], "sha512"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 4], "sha224"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 5], "sha512-224"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 6], "sha512-256"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 7], "sha3-224"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 8], "sha3-256"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 9], "sha3-384"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 10], "sha3-512"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 11], "shake128"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 12], "shake256"),
    (&[0x2b, 0x0e, 3, 2, 18], "sha"),
    (&[0x2b, 0x0e, 3, 2, 26], "sha1"),
    (&[0x2b, 0x0e, 3, 2, 19], "mdc2"),
    (&[0x2b, 0x24, 3, 2, 1], "ripemd160"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 2], "md2"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 4], "md4"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5], "md5"),
    (&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11], "sm3"),
    (&[0x28, 0xcf, 6, 3, 0, 55], "whirlpool"),
    (&[0x2b, 6, 1, 4, 1, 0x8d, 0x3a, 12, 2, 1, 16], "blake2b512"),
    (&[0x2b, 6, 1, 4, 1, 0x8d, 0x3a, 12, 2, 2, 8], "blake2s256"),
    (&[0x2a, 0x85, 3, 7, 1, 1, 2, 2], "GOST R 34.11-2012 with 256 bit hash"),
];

/// The name of the digest with this identifier, or the identifier in dotted form if it has no name here; `None` for
/// bytes that are not an identifier.
pub(super) fn name(identifier: &[u8]) -> Option<Cow<'static, str>> {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == identifier) {
        return Some(Cow::Borrowed(name));
    }
    dotted(identifier).map(Cow::Owned)
}

/// Whether the bytes are an identifier.
pub(super) fn is_identifier(bytes: &[u8]) -> bool {
    numbers(bytes, |_| Some(())).is_some()
}

/// `1.2.840` and so on. The first number holds two: 40 times the first, which is at most 2, and the second.
fn dotted(identifier: &[u8]) -> Option<String> {
    let mut text = String::new();
    numbers(identifier, |value| {
        if text.is_empty() {
            let first = (value / 40).min(2);
            write!(text, "{first}.{}", value - first * 40).ok()
        } else {
            write!(text, ".{value}").ok()
        }
    })?;
    Some(text)
}

/// Shows the numbers of an identifier; `None` if the bytes are none.
fn numbers(identifier: &[u8], mut show: impl FnMut(u128) -> Option<()>) -> Option<()> {
    let mut number: Option<u128> = None;
    for &byte in identifier {
        // Seven bits a byte, the last one without the eighth; a number does not begin with zeros.
        let before = match number {
            None if byte == 0x80 => return None,
            before => before.unwrap_or(0),
        };
        let value = before.checked_mul(128)? | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            number = None;
            show(value)?;
        } else {
            number = Some(value);
        }
    }
    (number.is_none() && !identifier.is_empty()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_without_a_name_here_is_shown_by_its_number() {
        assert_eq!(name(&[0x2b, 0x24, 3, 2, 1]).as_deref(), Some("ripemd160"));
        for (identifier, number) in [
            (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9][..], Some("1.2.840.113549.2.9")),
            (&[0x88, 0x37, 1], Some("2.999.1")),
            (&[0], Some("0.0")),
            (&[], None),
            // Cut inside of a number; a number that begins with zeros; one that is larger than any.
            (&[0x2a, 0x86], None),
            (&[0x2a, 0x80, 1], None),
            (&[0xff; 40], None),
        ] {
            assert_eq!(name(identifier).as_deref(), number, "{identifier:x?}");
            assert_eq!(is_identifier(identifier), number.is_some(), "{identifier:x?}");
        }
    }
}
