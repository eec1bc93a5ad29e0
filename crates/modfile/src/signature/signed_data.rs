//! What a PKCS#7 structure (RFC 2315; CMS, RFC 5652, is the same here) says of its first signer.
//!
//! Certificates, signed attributes, further signers and what follows the structure do not matter. A signer who is
//! named by the identifier of a key instead of issuer and serial number (CMS, version 3) is not understood.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use super::{Contents, Kind, digest};

/// `signedData`, 1.2.840.113549.1.7.2.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// The attribute `commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// What the structure at the start of `der` says; `None` if it is none that can be understood.
pub(super) fn read(der: &[u8]) -> Option<Contents> {
    let whole = AnyRef::decode(&mut SliceReader::new(der).ok()?).ok()?;
    let mut content_info = Elements::of(whole.tag().assert_eq(Tag::Sequence).ok().map(|_| whole.value())?)?;
    if content_info.expect(Tag::ObjectIdentifier)? != SIGNED_DATA {
        return None;
    }
    let content = content_info.next().filter(|content| is_context(content.tag(), 0))?;
    let signed_data = Elements::of(content.value())?.expect(Tag::Sequence)?;
    // The signers are the last of its parts, behind certificates and lists of revoked ones.
    let signers = Elements::of(signed_data)?.last().filter(|last| last.tag() == Tag::Set)?;
    let signer = Elements::of(signers.value())?.expect(Tag::Sequence)?;
    signer_info(Elements::of(signer)?)
}

fn signer_info(mut parts: Elements<'_>) -> Option<Contents> {
    parts.expect(Tag::Integer)?;
    let mut identity = Elements::of(parts.expect(Tag::Sequence)?)?;
    let issuer = identity.expect(Tag::Sequence)?;
    let serial = identity.expect(Tag::Integer)?;
    let digest_algorithm = Elements::of(parts.expect(Tag::Sequence)?)?.expect(Tag::ObjectIdentifier)?;
    let mut algorithm = parts.next()?;
    if is_context(algorithm.tag(), 0) {
        algorithm = parts.next()?;
    }
    if algorithm.tag() != Tag::Sequence {
        return None;
    }
    let signature = parts.expect(Tag::OctetString)?;
    Some(Contents {
        kind: Kind::Pkcs7,
        signer: common_name(issuer)?.to_vec(),
        key: magnitude(serial)?,
        digest: digest::name(digest_algorithm)?,
        bytes: signature.to_vec(),
    })
}

/// The first common name of an issuer, or its last attribute if none is one; up to the first NUL.
fn common_name(issuer: &[u8]) -> Option<&[u8]> {
    let mut name: &[u8] = &[];
    'names: for relative in Elements::of(issuer)? {
        for attribute in Elements::of(relative.value())? {
            let mut attribute = Elements::of(attribute.value())?;
            let kind = attribute.expect(Tag::ObjectIdentifier)?;
            name = attribute.next()?.value();
            if kind == COMMON_NAME {
                break 'names;
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
        self.next().filter(|element| element.tag() == tag).map(AnyRef::value)
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
            kind: Kind::Pkcs7,
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
