//! The signature at the end of a module file: whether there is one, and by whom.
//!
//! Nothing is verified, that is the kernel's business; and a name is only what the file claims. The layout is that
//! of the kernel's `linux/module_signature.h`; the signature itself is PKCS#7 (RFC 2315), or in older kernels'
//! modules a bare one with the signer's name before it.

use crate::file::{Image, ReadError};

/// The last bytes of every signed module.
const END: &[u8] = b"~Module signature appended~\n";
/// The fields before them: three kinds, two lengths of a byte, three bytes of padding, and a length of four.
const FIELDS: usize = 12;
const PKCS7: u8 = 2;
/// More than any signature with certificates in it.
const LONGEST: u64 = 64 << 10;

/// A signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The name of who signed, if it can be read: for PKCS#7 the issuer's common name.
    pub signer: Option<Vec<u8>>,
}

impl Signature {
    /// The signature at the end of a module; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read. A damaged signature is one without a signer.
    pub fn read(image: &Image<'_>) -> Result<Option<Self>, ReadError> {
        let trailer_len = (FIELDS + END.len()) as u64;
        let mut buffer = Vec::new();
        let end_len = END.len() as u64;
        let Some(end) = image.len().checked_sub(end_len) else { return Ok(None) };
        if image.bytes(end, end_len, &mut buffer)? != END {
            return Ok(None);
        }
        let Some(fields_at) = image.len().checked_sub(trailer_len) else { return Ok(Some(Self::default())) };
        let fields = image.bytes(fields_at, FIELDS as u64, &mut buffer)?;
        let &[_, _, kind, signer_len, key_len, _, _, _, a, b, c, d] = fields else { return Ok(None) };
        let len = u64::from(u32::from_be_bytes([a, b, c, d]));
        let (from_signer, wanted) = match kind {
            PKCS7 => (len, len),
            _ => (len + u64::from(key_len) + u64::from(signer_len), u64::from(signer_len)),
        };
        let Some(start) = fields_at.checked_sub(from_signer).filter(|_| wanted <= LONGEST) else {
            return Ok(Some(Self::default()));
        };
        let bytes = image.bytes(start, wanted, &mut buffer)?;
        let signer = if kind == PKCS7 { issuer(bytes) } else { Some(bytes) };
        Ok(Some(Self { signer: signer.filter(|name| !name.is_empty()).map(<[u8]>::to_vec) }))
    }
}

/// Tags of DER (ITU-T X.690).
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;
/// The attribute `commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// The common name of the issuer that the first signer of a PKCS#7 structure gives.
fn issuer(der: &[u8]) -> Option<&[u8]> {
    let (_, rest) = expect(SEQUENCE, der).and_then(|(info, _)| expect(OBJECT, info))?;
    let (signed, _) = expect(EXPLICIT_0, rest).and_then(|(content, _)| expect(SEQUENCE, content))?;
    // The signers are the last of its sets.
    let signers = elements(signed).filter(|(tag, _)| *tag == SET).last()?.1;
    let (_, rest) = expect(SEQUENCE, signers).and_then(|(signer, _)| expect(INTEGER, signer))?;
    let (name, _) =
        expect(SEQUENCE, rest).and_then(|(issuer_and_serial, _)| expect(SEQUENCE, issuer_and_serial))?;
    elements(name).find_map(|(_, relative)| {
        let (attribute, _) = expect(SEQUENCE, relative)?;
        let (kind, rest) = expect(OBJECT, attribute)?;
        (kind == COMMON_NAME).then(|| element(rest).map(|(_, value, _)| value))?
    })
}

/// An element: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // So many bytes of length follow; three suffice for all that is read here.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, &digit| len << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    Some((tag, contents, rest))
}

fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, contents, rest)| (contents, rest))
}

/// The elements that stand one behind the other, up to the first that is none.
fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, contents, rest) = element(der)?;
        der = rest;
        Some((tag, contents))
    })
}

#[cfg(test)]
mod tests {
    use fixtures::{Module, Signature as Made};

    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let contents = parts.concat();
        let len = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &len[..], &contents].concat()
    }

    fn named(kind: &[u8], name: &[u8]) -> Vec<u8> {
        der(SET, &[&der(SEQUENCE, &[&der(OBJECT, &[kind]), &der(0x0c, &[name])])])
    }

    fn pkcs7(name: &[u8]) -> Vec<u8> {
        let issuer = der(SEQUENCE, &[&named(&[0x55, 4, 10], b"Organisation"), &named(COMMON_NAME, name)]);
        let identity = der(SEQUENCE, &[&issuer, &der(INTEGER, &[&[7]])]);
        let signer = der(SEQUENCE, &[&der(INTEGER, &[&[1]]), &identity, &der(4, &[b"signature"])]);
        let version = der(INTEGER, &[&[1]]);
        let (digests, data) = (der(SET, &[]), der(SEQUENCE, &[&der(OBJECT, &[b"data"])]));
        let signed = der(SEQUENCE, &[&version, &digests, &data, &der(SET, &[&signer])]);
        der(SEQUENCE, &[&der(OBJECT, &[b"signedData"]), &der(EXPLICIT_0, &[&signed])])
    }

    fn read(bytes: &[u8]) -> Option<Signature> {
        Signature::read(&Image::Memory(bytes)).unwrap()
    }

    fn signer(signature: Made) -> Option<Vec<u8>> {
        read(&Module::new("a").signed(signature).bytes()).unwrap().signer
    }

    #[test]
    fn the_issuer_of_the_key_or_the_name_before_the_signature_is_the_signer() {
        assert_eq!(signer(Made::pkcs7(&pkcs7(b"Some Key"))).as_deref(), Some(&b"Some Key"[..]));
        let old =
            Made { id_type: 1, signer: b"Old Key".to_vec(), key_id: vec![1; 20], ..Made::pkcs7(&[9; 256]) };
        assert_eq!(signer(old).as_deref(), Some(&b"Old Key"[..]));
        assert_eq!(read(&Module::new("a").bytes()), None);
        assert_eq!(read(b""), None);
    }

    #[test]
    fn a_damaged_signature_is_one_without_a_signer() {
        let whole = pkcs7(b"Some Key");
        assert_eq!(signer(Made::pkcs7(b"not DER")), None);
        for len in 0..whole.len() {
            assert_eq!(signer(Made::pkcs7(&whole[..len])), None, "{len}");
        }
        assert_eq!(read(END), Some(Signature::default()));
        let beyond = [&[0, 0, 2, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], END].concat();
        assert_eq!(read(&beyond), Some(Signature::default()));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            // Whatever it says, it says something.
            signer(Made::pkcs7(&damaged));
        }
    }
}
