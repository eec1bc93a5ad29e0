//! The signature at the end of a module, as far as host and guest have to do with it.

/// Who signs modules that the host signs itself.
pub const OWN_SIGNER: &str = "DKMS module signing key of this machine";

/// What stands at the end of a signed module (`linux/module_signature.h`).
pub const MARK: &[u8] = b"~Module signature appended~\n";

/// The module without its signature, which would not fit any more: a wrong one is refused, none is accepted.
/// The end of a signed file is a mark of 28 bytes, and before it the signature's length as the last of 12.
#[must_use]
pub fn unsigned(module: &[u8]) -> Vec<u8> {
    let stripped = || {
        let rest = module.strip_suffix(MARK)?;
        let (rest, length) = rest.split_last_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..rest.len().checked_sub(length.checked_add(8)?)?)
    };
    stripped().unwrap_or(module).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_cut_off_and_an_unsigned_module_stays() {
        let mut signed = b"module".to_vec();
        signed.extend(b"signature");
        signed.extend([0; 8]);
        signed.extend(9u32.to_be_bytes());
        signed.extend(b"~Module signature appended~\n");
        assert_eq!(unsigned(&signed), b"module");
        assert_eq!(unsigned(b"module"), b"module");
    }
}
