//! The kernel accepts signed modules only, and this one is not signed, or by a key that the kernel does not know.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    let errno = Errno::from_raw_os_error(file.errno);
    let is_signed = file.is_signed?;
    let reason = match &system.lockdown {
        Some(state) => format!("lockdown: {state}"),
        None if system.enforces_signatures == Some(true) => "signatures are enforced".to_owned(),
        None => return None,
    };
    let by = file.signer.as_ref().map_or_else(String::new, |signer| format!(" by '{signer}'"));
    match (is_signed, errno) {
        (false, Errno::KEYREJECTED | Errno::NOKEY | Errno::NODATA | Errno::PERM) => Some(format!(
            "{} carries no signature and this kernel accepts only signed modules ({reason})",
            file.shown
        )),
        (true, Errno::NOKEY) => Some(format!(
            "{} is signed{by} with a key that this kernel does not know ({reason}): enrol the key, or sign it with one that is",
            file.shown
        )),
        (true, Errno::KEYREJECTED) => {
            Some(format!("the signature of {}{by} does not fit its contents ({reason})", file.shown))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(errno: Errno, is_signed: Option<bool>, enforced: Option<bool>, lockdown: Option<&str>) -> String {
        let file = FileFacts {
            errno: errno.raw_os_error(),
            shown: "zfs.ko".into(),
            is_signed,
            ..FileFacts::default()
        };
        let lockdown = lockdown.map(str::to_owned);
        let system = SystemFacts { enforces_signatures: enforced, lockdown, ..SystemFacts::default() };
        super::hint(&file, &system).unwrap_or_default()
    }

    #[test]
    fn an_unsigned_module_is_the_cause_where_signatures_are_enforced() {
        assert_eq!(
            hint(Errno::KEYREJECTED, Some(false), None, Some("integrity")),
            "zfs.ko carries no signature and this kernel accepts only signed modules (lockdown: integrity)"
        );
        assert!(hint(Errno::PERM, Some(false), Some(true), None).contains("signatures are enforced"));
        assert!(
            hint(Errno::NOKEY, Some(true), Some(true), None).contains("a key that this kernel does not know")
        );
    }

    #[test]
    fn who_signed_is_named() {
        let file = FileFacts {
            errno: Errno::NOKEY.raw_os_error(),
            shown: "zfs.ko".into(),
            is_signed: Some(true),
            signer: Some("DKMS key".into()),
            ..FileFacts::default()
        };
        let system = SystemFacts { enforces_signatures: Some(true), ..SystemFacts::default() };
        let hint = super::hint(&file, &system).unwrap_or_default();
        assert!(hint.starts_with("zfs.ko is signed by 'DKMS key' with a key that this kernel"), "{hint}");
    }

    #[test]
    fn the_same_errors_elsewhere_have_other_causes() {
        assert_eq!(hint(Errno::PERM, Some(false), Some(false), None), "");
        assert_eq!(hint(Errno::PERM, Some(true), Some(true), None), "");
        assert_eq!(hint(Errno::KEYREJECTED, None, Some(true), None), "");
        assert_eq!(hint(Errno::NOEXEC, Some(false), Some(true), None), "");
    }
}
