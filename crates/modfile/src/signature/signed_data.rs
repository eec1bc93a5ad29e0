//! What a PKCS#7 structure (RFC 2315; CMS, RFC 5652, is the same here) says of its first signer.
//!
//! Certificates, signed attributes, further signers and what follows the structure do not matter. A signer who is
//! named by the identifier of a key instead of issuer and serial number (CMS, version 3) is not understood.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use super::{Contents, SignatureKind, digest};

/// `signedData`, 1.2.840.113549.1.7.2.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// The attribute `commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// What the structure at the start of `der` says; `None` if it cannot be understood.
pub(super) fn read(der: &[u8]) -> Option<Contents> {
    let whole = AnyRef::decode(&mut SliceReader::new(der).ok()?).ok()?;
    let mut content_info = Elements::of(contents(whole, Tag::Sequence)?)?;
    if content_info.expect(Tag::ObjectIdentifier)? != SIGNED_DATA {
        return None;
    }
    let content = content_info.next().filter(|content| is_context(content.tag(), 0))?;
    let mut parts = Elements::of(Elements::of(content.value())?.expect(Tag::Sequence)?)?;
    integer(parts.next()?)?;
    for algorithm in Elements::of(parts.expect(Tag::Set)?)? {
        algorithm_identifier(algorithm)?;
    }
    if !digest::is_identifier(Elements::of(parts.expect(Tag::Sequence)?)?.expect(Tag::ObjectIdentifier)?) {
        return None;
    }
    // Certificates, and lists of revoked ones.
    let signers = parts.find(|part| !is_context(part.tag(), 0) && !is_context(part.tag(), 1))?;
    let mut signers = Elements::of(contents(signers, Tag::Set)?)?;
    signer_info(Elements::of(signers.expect(Tag::Sequence)?)?)
}

fn signer_info(mut parts: Elements<'_>) -> Option<Contents> {
    integer(parts.next()?)?;
    let mut identity = Elements::of(parts.expect(Tag::Sequence)?)?;
    let issuer = identity.expect(Tag::Sequence)?;
    let serial = integer(identity.next()?)?;
    let digest = algorithm_identifier(parts.next()?)?;
    let mut algorithm = parts.next()?;
    if is_context(algorithm.tag(), 0) {
        algorithm = parts.next()?;
    }
    algorithm_identifier(algorithm)?;
    let signature = parts.expect(Tag::OctetString)?;
    Some(Contents {
        kind: SignatureKind::Pkcs7,
        signer: common_name(issuer)?.to_vec(),
        key: magnitude(serial)?,
        digest: digest::name(digest)?,
        bytes: signature.to_vec(),
    })
}

/// The identifier of an algorithm, which parameters may follow.
fn algorithm_identifier(element: AnyRef<'_>) -> Option<&[u8]> {
    let mut parts = Elements::of(contents(element, Tag::Sequence)?)?;
    let identifier = parts.expect(Tag::ObjectIdentifier)?;
    let is_whole = match parts.next() {
        Some(parameters) if parameters.tag() == Tag::Null => parameters.is_null(),
        _ => true,
    };
    (is_whole && parts.next().is_none() && digest::is_identifier(identifier)).then_some(identifier)
}

/// The bytes of an integer: at least one, and no more than needed.
fn integer(element: AnyRef<'_>) -> Option<&[u8]> {
    let bytes = contents(element, Tag::Integer)?;
    match bytes {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
        _ => Some(bytes),
    }
}

/// The first common name of an issuer, or its last attribute if none is one; up to the first NUL.
fn common_name(issuer: &[u8]) -> Option<&[u8]> {
    let mut name: &[u8] = &[];
    let mut is_common = false;
    for relative in Elements::of(issuer)? {
        let attributes = contents(relative, Tag::Set)?;
        for attribute in Elements::of(attributes)? {
            let attribute = contents(attribute, Tag::Sequence)?;
            let mut attribute = Elements::of(attribute)?;
            let kind = attribute.expect(Tag::ObjectIdentifier)?;
            if !digest::is_identifier(kind) {
                return None;
            }
            let value = attribute.next()?;
            if value.tag() == Tag::Utf8String && std::str::from_utf8(value.value()).is_err() {
                return None;
            }
            if !is_common {
                name = value.value();
                is_common = kind == COMMON_NAME;
            }
        }
    }
    name.split(|&byte| byte == 0).next()
}

/// The bytes of an integer (two's complement) without its sign and without leading zeros.
fn magnitude(integer: &[u8]) -> Option<Vec<u8>> {
    let is_negative = integer.first()? & 0x80 != 0;
    let mut bytes = integer.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(carry.into());
        }
    }
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

/// The contents of an element that must have this tag.
fn contents(element: AnyRef<'_>, tag: Tag) -> Option<&[u8]> {
    (element.tag() == tag).then(|| element.value())
}

fn is_context(tag: Tag, wanted: u32) -> bool {
    matches!(tag, Tag::ContextSpecific { number, constructed: true } if number.value() == wanted)
}

/// The elements that stand one behind the other.
struct Elements<'a>(std::vec::IntoIter<AnyRef<'a>>);

impl<'a> Elements<'a> {
    /// The elements of these contents; `None` if anything in them is none.
    fn of(contents: &'a [u8]) -> Option<Self> {
        let mut reader = SliceReader::new(contents).ok()?;
        let mut elements = Vec::new();
        while !reader.is_finished() {
            elements.push(AnyRef::decode(&mut reader).ok()?);
        }
        Some(Self(elements.into_iter()))
    }

    /// The contents of the next element, if it has this tag.
    fn expect(&mut self, tag: Tag) -> Option<&'a [u8]> {
        contents(self.next()?, tag)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = AnyRef<'a>;

    fn next(&mut self) -> Option<AnyRef<'a>> {
        self.0.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const INTEGER: u8 = 0x02;
    const OBJECT: u8 = 0x06;
    const OCTETS: u8 = 0x04;
    const CONTEXT_0: u8 = 0xa0;
    const ORGANISATION: &[u8] = &[0x55, 4, 10];
    const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 3];
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let contents = parts.concat();
        let len = u8::try_from(contents.len()).unwrap();
        let start = if len < 0x80 { vec![tag, len] } else { vec![tag, 0x81, len] };
        [start, contents].concat()
    }

    fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
        der(SET, &[&der(SEQUENCE, &[&der(OBJECT, &[kind]), &der(0x0c, &[value])])])
    }

    fn signer(issuer: &[Vec<u8>], serial: &[u8], signed_attributes: &[u8]) -> Vec<u8> {
        let issuer = der(SEQUENCE, &[&issuer.concat()]);
        let identity = der(SEQUENCE, &[&issuer, &der(INTEGER, &[serial])]);
        let digest = der(SEQUENCE, &[&der(OBJECT, &[SHA512])]);
        let algorithm = der(SEQUENCE, &[&der(OBJECT, &[RSA])]);
        let version = der(INTEGER, &[&[1]]);
        let signature = der(OCTETS, &[b"signature"]);
        der(SEQUENCE, &[&version, &identity, &digest, signed_attributes, &algorithm, &signature])
    }

    fn signed_by(signers: &[Vec<u8>]) -> Vec<u8> {
        let (digests, data) = (der(SET, &[]), der(SEQUENCE, &[&der(OBJECT, &[RSA])]));
        let version = der(INTEGER, &[&[1]]);
        let signed = der(SEQUENCE, &[&version, &digests, &data, &der(SET, &[&signers.concat()])]);
        der(SEQUENCE, &[&der(OBJECT, &[SIGNED_DATA]), &der(CONTEXT_0, &[&signed])])
    }

    fn common(name: &str) -> Vec<Vec<u8>> {
        vec![attribute(COMMON_NAME, name.as_bytes())]
    }

    #[test]
    fn the_first_signer_counts_and_what_follows_the_structure_does_not() {
        let first = signer(&common("Some Key"), &[0x12, 0x34], &der(CONTEXT_0, &[]));
        let second = signer(&common("Other Key"), &[7], &[]);
        let contents = read(&[signed_by(&[first, second]), b"and more".to_vec()].concat()).unwrap();
        let expected = Contents {
            kind: SignatureKind::Pkcs7,
            signer: b"Some Key".to_vec(),
            key: vec![0x12, 0x34],
            digest: "sha512".into(),
            bytes: b"signature".to_vec(),
        };
        assert_eq!(contents, expected);
        assert_eq!(read(&signed_by(&[])), None);
    }

    #[test]
    fn the_common_name_is_the_signer_or_else_the_last_attribute() {
        let organisation = attribute(ORGANISATION, b"Organisation");
        for (issuer, name) in [
            ([vec![organisation.clone()], common("Key")].concat(), "Key"),
            ([common("Key"), vec![organisation.clone()]].concat(), "Key"),
            ([common("One"), common("Two")].concat(), "One"),
            (vec![attribute(&[0x55, 4, 6], b"DE"), organisation], "Organisation"),
            (common("cut\0here"), "cut"),
            (vec![], ""),
        ] {
            let contents = read(&signed_by(&[signer(&issuer, &[1], &[])])).unwrap();
            assert_eq!(contents.signer, name.as_bytes());
        }
    }

    #[test]
    fn a_serial_number_is_shown_without_sign_and_leading_zeros() {
        for (serial, shown) in [
            (&[0x00, 0x80][..], &[0x80][..]),
            (&[0xfb], &[5]),
            (&[0xff, 0x00], &[1, 0]),
            (&[0x80, 0x00], &[0x80, 0]),
            (&[0], &[]),
        ] {
            let contents = read(&signed_by(&[signer(&common("Key"), serial, &[])])).unwrap();
            assert_eq!(contents.key, shown, "{serial:x?}");
        }
    }

    #[test]
    fn a_cut_structure_is_not_understood_and_a_damaged_one_never_ends_the_program() {
        let whole = signed_by(&[signer(&common("Some Key"), &[1], &[])]);
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
        for at in 0..whole.len() {
            for bits in 1..=u8::MAX {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                // Whatever it says, it says something.
                read(&damaged);
            }
        }
    }
}
