//! The pin of a module that somebody loaded on purpose: `/run/modutils/pinned/NAME`. Like marking a package as
//! chosen by hand, it beats a record, whichever was written first. This module is the format.

use crate::fields::{self, Damaged};
use crate::identity::Identity;

/// The text of a pin.
#[must_use]
pub fn format(identity: &Identity) -> Vec<u8> {
    [b"# Loaded on purpose; rmmod -a leaves it alone.\n".to_vec(), identity.format()].concat()
}

/// Reads the text of a pin.
///
/// # Errors
/// The text does not say which load it is about: `Damaged`.
pub fn parse(text: &[u8]) -> Result<Identity, Damaged> {
    let pairs = fields::parse(text)?;
    Identity::of_pairs(&pairs).ok_or(Damaged(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::boot;

    #[test]
    fn a_pin_comes_back() {
        let identity = Identity { inode: u64::MAX, boot: boot(b'7') };
        assert_eq!(parse(&format(&identity)), Ok(identity));
        assert!(parse(b"").is_err());
    }
}
