//! The signature at the end of a module file: by whom, with which key, and its bytes.
//!
//! Nothing is verified, that is the kernel's business; whatever stands here is only what the file claims. The
//! layout is that of the kernel's `linux/module_signature.h`: the name of the signer, the identity of the key, the
//! signature, twelve bytes of fields, and a mark. Kernels since 4.3 leave the first two empty and append a PKCS#7
//! structure, which is read in [`signed_data`].

mod digest;
mod signed_data;

use std::borrow::Cow;

use crate::file::{Image, ReadError};

/// The last bytes of every signed module.
const END: &[u8] = b"~Module signature appended~\n";
/// The fields before them: key algorithm, digest, kind, two lengths of a byte, three bytes of padding, and a length
/// of four.
const FIELDS: usize = 12;

/// Key algorithms that the kernel knows: DSA and RSA. PKCS#7 leaves the field 0.
const ALGORITHMS: u8 = 2;
/// The digests of a bare signature by their numbers in the kernel's `linux/hash_info.h`.
const DIGESTS: [&str; 9] = ["md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224", "sm3"];

/// How a signature names its signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureKind {
    /// A bare signature by an OpenPGP key.
    Pgp,
    /// A bare signature by the key of an X.509 certificate.
    X509,
    /// A PKCS#7 structure.
    Pkcs7,
}

impl SignatureKind {
    /// The name by which modinfo shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pgp => "PGP",
            Self::X509 => "X509",
            Self::Pkcs7 => "PKCS#7",
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        [Self::Pgp, Self::X509, Self::Pkcs7].get(usize::from(number)).copied()
    }
}

/// What a readable signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// How it names its signer.
    pub kind: SignatureKind,
    /// Who signed: for PKCS#7 the common name of the issuer of the key. Empty if it says nothing.
    pub signer: Vec<u8>,
    /// Which key: for PKCS#7 the magnitude of its serial number, big-endian, without leading zeros.
    pub key: Vec<u8>,
    /// The digest that was signed, by the name that OpenSSL has for it, or the number of its identifier.
    pub digest: Cow<'static, str>,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// What is appended to a signed module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The file is marked as signed, but what stands before the mark makes no sense.
    Damaged,
    /// A signature that can be read.
    Readable(Contents),
}

impl Signature {
    /// The signature at the end of a module; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(image: &Image<'_>) -> Result<Option<Self>, ReadError> {
        let mut buffer = Vec::new();
        let end_len = END.len() as u64;
        let Some(fields_end) = image.len().checked_sub(end_len) else { return Ok(None) };
        if image.bytes(fields_end, end_len, &mut buffer)? != END {
            return Ok(None);
        }
        Ok(Some(read_contents(image, fields_end)?.map_or(Self::Damaged, Self::Readable)))
    }

    /// What it says, unless it is damaged.
    #[must_use]
    pub fn contents(self) -> Option<Contents> {
        match self {
            Self::Damaged => None,
            Self::Readable(contents) => Some(contents),
        }
    }

    /// The name of who signed, if there is one.
    #[must_use]
    pub fn signer(&self) -> Option<&[u8]> {
        match self {
            Self::Readable(Contents { signer, .. }) if !signer.is_empty() => Some(signer),
            _ => None,
        }
    }
}

/// Reads what stands before the mark; `None` if that makes no sense.
fn read_contents(image: &Image<'_>, fields_end: u64) -> Result<Option<Contents>, ReadError> {
    let mut buffer = Vec::new();
    let Some(parts_end) = fields_end.checked_sub(FIELDS as u64) else { return Ok(None) };
    let fields = image.bytes(parts_end, FIELDS as u64, &mut buffer)?;
    let &[algorithm, digest, kind, signer_len, key_len, _, _, _, a, b, c, d] = fields else {
        return Ok(None);
    };
    let Some(kind) = SignatureKind::of_number(kind).filter(|_| algorithm < ALGORITHMS) else {
        return Ok(None);
    };
    let Some(&digest) = DIGESTS.get(usize::from(digest)) else { return Ok(None) };
    let len = u64::from(u32::from_be_bytes([a, b, c, d]));
    let parts_len = len + u64::from(key_len) + u64::from(signer_len);
    let Some(start) = parts_end.checked_sub(parts_len).filter(|_| len > 0) else { return Ok(None) };
    let parts = image.bytes(start, parts_len, &mut buffer)?;
    let parts = parts.split_at_checked(signer_len.into()).and_then(|(signer, rest)| {
        let (key, bytes) = rest.split_at_checked(key_len.into())?;
        Some((signer, key, bytes))
    });
    let Some((signer, key, bytes)) = parts else { return Ok(None) };
    Ok(match kind {
        SignatureKind::Pkcs7 => signed_data::read(bytes),
        SignatureKind::Pgp | SignatureKind::X509 => Some(Contents {
            kind,
            signer: signer.to_vec(),
            key: key.to_vec(),
            digest: Cow::Borrowed(digest),
            bytes: bytes.to_vec(),
        }),
    })
}

/// Bytes in the form in which modinfo shows them: pairs of digits, colons between, twenty to a line.
pub fn write_hexadecimal(bytes: &[u8], text: &mut Vec<u8>) {
    const IN_A_LINE: usize = 20;
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value & 0xf)).copied().unwrap_or_default();
    for (number, line) in bytes.chunks(IN_A_LINE).enumerate() {
        if number > 0 {
            text.extend_from_slice(b":\n\t\t");
        }
        let mut cells = [[0, 0, b':']; IN_A_LINE];
        for ([high, low, _], &byte) in cells.iter_mut().zip(line) {
            (*high, *low) = (digit(byte >> 4), digit(byte));
        }
        let written = cells.as_flattened().get(..line.len() * 3 - 1);
        text.extend_from_slice(written.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use fixtures::{Module, Signature as Made};

    use super::*;

    fn read(bytes: &[u8]) -> Option<Signature> {
        Signature::read(&Image::Memory(bytes)).unwrap()
    }

    fn of(signature: Made) -> Signature {
        read(&Module::new("a").signed(signature).bytes()).unwrap()
    }

    fn bare() -> Made {
        Made {
            id_type: 1,
            hash: 4,
            algorithm: 1,
            signer: b"Old Key".to_vec(),
            key_id: vec![1; 20],
            ..Made::pkcs7(&[9; 256])
        }
    }

    #[test]
    fn a_bare_signature_stands_behind_the_names_of_signer_and_key() {
        let expected = Contents {
            kind: SignatureKind::X509,
            signer: b"Old Key".to_vec(),
            key: vec![1; 20],
            digest: "sha256".into(),
            bytes: vec![9; 256],
        };
        assert_eq!(of(bare()), Signature::Readable(expected));
        let pgp = of(Made { id_type: 0, signer: Vec::new(), ..bare() });
        assert_eq!(pgp.signer(), None);
        assert_eq!(pgp.contents().unwrap().kind.name(), "PGP");
    }

    #[test]
    fn an_unsigned_file_has_no_signature_and_a_mark_alone_is_a_damaged_one() {
        assert_eq!(read(&Module::new("a").bytes()), None);
        assert_eq!(read(b""), None);
        assert_eq!(read(END), Some(Signature::Damaged));
        let beyond = [&[0, 0, 2, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], END].concat();
        assert_eq!(read(&beyond), Some(Signature::Damaged));
    }

    #[test]
    fn fields_that_no_kernel_writes_make_a_signature_damaged() {
        for damaged in [
            Made { algorithm: 2, ..bare() },
            Made { hash: 9, ..bare() },
            Made { id_type: 3, ..bare() },
            Made { signature: Vec::new(), ..bare() },
            Made::pkcs7(b"no such structure"),
        ] {
            assert_eq!(of(damaged.clone()), Signature::Damaged, "{damaged:?}");
        }
    }

    #[test]
    fn bytes_are_shown_twenty_to_a_line_with_colons_between() {
        let shown = |bytes: &[u8]| {
            let mut text = b"before".to_vec();
            write_hexadecimal(bytes, &mut text);
            String::from_utf8(text).unwrap()
        };
        let line = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13";
        let bytes: Vec<u8> = (0..=0x14).chain([0xFF]).collect();
        assert_eq!(shown(&[]), "before");
        assert_eq!(shown(&[0xAB]), "beforeAB");
        assert_eq!(shown(&bytes[..20]), format!("before{line}"));
        assert_eq!(shown(&bytes), format!("before{line}:\n\t\t14:FF"));
    }
}
