//! The kernel accepts signed modules only, and this one is not signed, or not in a way that it accepts.
//!
//! A kernel that enforces signatures returns one error number for all of that (`module_sig_check` of
//! `kernel/module/signing.c`), and lockdown another. So the signature itself is looked at, and the keys that the
//! kernel shows; what these leave open is left open.

use rustix::io::Errno;

use crate::facts::{FileFacts, Signed, SystemFacts};

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    let errno = Errno::from_raw_os_error(file.errno);
    let shown = &file.shown;
    let reason = match &system.lockdown {
        Some(state) => Some(format!("lockdown: {state}")),
        None if system.enforces_signatures == Some(true) => Some("signatures are enforced".to_owned()),
        None => None,
    };
    let is_refusal = match errno {
        Errno::KEYREJECTED | Errno::NOKEY | Errno::NODATA | Errno::NOPKG | Errno::BADMSG => true,
        // Lockdown's own number, which has other causes too.
        Errno::PERM => system.lockdown.is_some(),
        _ => false,
    };
    if !is_refusal {
        return None;
    }
    let is_forced = file.flags.ignore_modversions || file.flags.ignore_vermagic;
    match (file.signature.as_ref()?, &reason) {
        (Signed::No, Some(reason)) => Some(format!(
            "{shown} carries no signature and this kernel accepts only signed modules ({reason})"
        )),
        // Without a rule that wants signatures an unsigned module is no reason to refuse anything.
        (Signed::No, None) => None,
        (Signed::Damaged | Signed::By { .. }, Some(reason)) if is_forced => Some(format!(
            "forcing voids the signature of {shown}, and this kernel accepts only signed modules ({reason}): load it \
             without -f"
        )),
        (Signed::Damaged, _) => {
            Some(format!("the signature at the end of {shown} is damaged: install it anew"))
        }
        (Signed::By { signer, key, digest }, reason) => {
            signed(shown, &Signature { signer, key, digest }, errno, system, reason.as_deref())
        }
    }
}

struct Signature<'a> {
    signer: &'a str,
    key: &'a str,
    digest: &'a str,
}

fn signed(
    shown: &str,
    signature: &Signature<'_>,
    errno: Errno,
    system: &SystemFacts,
    reason: Option<&str>,
) -> Option<String> {
    let Signature { signer, key, digest } = *signature;
    let by = match (signer, key) {
        ("", key) => format!("by the key {key}"),
        (signer, "") => format!("by '{signer}'"),
        (signer, key) => format!("by '{signer}' (key {key})"),
    };
    let enrol = "enrol its certificate (mokutil --import CERTIFICATE) and reboot, or sign with a key that is";
    let unknown = || Some(format!("{shown} is signed {by}, which is not among this kernel's keys: {enrol}"));
    let damaged = || Some(format!("{shown} was changed after it was signed {by}: install it anew"));
    match has(system, digest) {
        Some(false) => {
            return Some(format!("{shown} is signed {by} with {digest}, which this kernel does not know"));
        }
        // The kernel says so of the hash and of the kind of key.
        Some(true) if errno == Errno::NOPKG => {
            return Some(format!("{shown} is signed {by} with a kind of key that this kernel does not know"));
        }
        None if errno == Errno::NOPKG => {
            return Some(format!(
                "{shown} is signed {by} with {digest}, and this kernel does not know that, or not this kind of key"
            ));
        }
        _ => {}
    }
    match (errno, reason) {
        (Errno::NOKEY, _) => unknown(),
        // Where nothing is enforced a key that is not there would not have mattered.
        (Errno::KEYREJECTED, None) => damaged(),
        (Errno::KEYREJECTED | Errno::PERM | Errno::NODATA, Some(reason)) => match &system.keys {
            Some(keys) if !signer.is_empty() && !keys.iter().any(|known| is_of(known, signer)) => unknown(),
            _ => Some(format!(
                "{shown} is signed {by}, and one of these is so: the key is not among those of this kernel, or the \
                 file was changed after it was signed ({reason}); dmesg may say which"
            )),
        },
        _ => None,
    }
}

/// Whether a key's description, `SUBJECT: IDENTIFIER: ...`, names this subject.
fn is_of(known: &str, signer: &str) -> bool {
    known.split(": ").any(|part| part == signer)
}

/// Whether the kernel has a hash, if that is known. Hashes of other families have other names there.
fn has(system: &SystemFacts, digest: &str) -> Option<bool> {
    let algorithms = system.algorithms.as_ref().filter(|algorithms| !algorithms.is_empty())?;
    digest.starts_with("sha").then(|| algorithms.iter().any(|known| known == digest))
}

#[cfg(test)]
mod tests {
    use modkernel::InsertFlags;

    use super::*;

    fn by(signer: &str) -> Option<Signed> {
        Some(Signed::By { signer: signer.into(), key: "1a2b".into(), digest: "sha256".into() })
    }

    fn enforced() -> SystemFacts {
        SystemFacts { enforces_signatures: Some(true), ..SystemFacts::default() }
    }

    fn locked() -> SystemFacts {
        SystemFacts { lockdown: Some("integrity".into()), ..SystemFacts::default() }
    }

    fn keys(known: &[&str], system: SystemFacts) -> SystemFacts {
        SystemFacts { keys: Some(known.iter().map(|&key| key.into()).collect()), ..system }
    }

    fn hint(errno: Errno, signature: Option<Signed>, system: &SystemFacts) -> String {
        let errno = errno.raw_os_error();
        let file = FileFacts { errno, shown: "zfs.ko".into(), signature, ..FileFacts::default() };
        super::hint(&file, system).unwrap_or_default()
    }

    #[test]
    fn an_unsigned_module_is_the_cause_where_signatures_are_wanted() {
        let expected = "zfs.ko carries no signature and this kernel accepts only signed modules";
        assert_eq!(
            hint(Errno::KEYREJECTED, Some(Signed::No), &enforced()),
            format!("{expected} (signatures are enforced)")
        );
        assert_eq!(
            hint(Errno::PERM, Some(Signed::No), &locked()),
            format!("{expected} (lockdown: integrity)")
        );
    }

    #[test]
    fn a_key_that_the_kernel_does_not_list_is_unknown_to_it() {
        let expected = "zfs.ko is signed by 'DKMS key' (key 1a2b), which is not among this kernel's keys: enrol its \
                        certificate (mokutil --import CERTIFICATE) and reboot, or sign with a key that is";
        let listed = ["Debian Secure Boot CA: 6ccece7e: X509.rsa 6ccece7e []"];
        for system in [keys(&listed, enforced()), keys(&listed, locked())] {
            let errno = if system.lockdown.is_some() { Errno::PERM } else { Errno::KEYREJECTED };
            assert_eq!(hint(errno, by("DKMS key"), &system), expected);
        }
        // Older kernels say it themselves.
        assert_eq!(hint(Errno::NOKEY, by("DKMS key"), &enforced()), expected);
    }

    #[test]
    fn where_the_signers_name_is_listed_or_no_key_is_seen_it_stays_open() {
        let open = "one of these is so: the key is not among those of this kernel, or the file was changed";
        let listed = ["DKMS key: 99: X509.rsa 99 []"];
        assert!(hint(Errno::KEYREJECTED, by("DKMS key"), &keys(&listed, enforced())).contains(open));
        assert!(hint(Errno::KEYREJECTED, by("DKMS key"), &enforced()).contains(open));
    }

    #[test]
    fn a_changed_file_is_known_where_nothing_is_enforced() {
        assert_eq!(
            hint(Errno::KEYREJECTED, by("K"), &SystemFacts::default()),
            "zfs.ko was changed after it was signed by 'K' (key 1a2b): install it anew"
        );
        assert!(
            hint(Errno::BADMSG, Some(Signed::Damaged), &enforced())
                .contains("signature at the end of zfs.ko")
        );
    }

    #[test]
    fn forcing_voids_a_signature() {
        let file = FileFacts {
            errno: Errno::KEYREJECTED.raw_os_error(),
            shown: "loop.ko".into(),
            signature: by("Build time autogenerated kernel key"),
            flags: InsertFlags { ignore_modversions: true, ignore_vermagic: true },
            ..FileFacts::default()
        };
        assert_eq!(
            super::hint(&file, &enforced()).as_deref(),
            Some(
                "forcing voids the signature of loop.ko, and this kernel accepts only signed modules (signatures are \
                 enforced): load it without -f"
            )
        );
    }

    #[test]
    fn a_hash_that_the_kernel_lacks_is_named() {
        let has = |names: &[&str]| SystemFacts {
            algorithms: Some(names.iter().map(|&name| name.into()).collect()),
            ..enforced()
        };
        assert_eq!(
            hint(Errno::KEYREJECTED, by("K"), &has(&["sha1"])),
            "zfs.ko is signed by 'K' (key 1a2b) with sha256, which this kernel does not know"
        );
        assert!(!hint(Errno::KEYREJECTED, by("K"), &has(&["sha256"])).contains("does not know"));
        // The number says that something is lacking, and not what.
        let told = |system: &SystemFacts| hint(Errno::NOPKG, by("K"), system);
        assert!(told(&has(&["sha1"])).ends_with("with sha256, which this kernel does not know"));
        assert!(told(&has(&["sha256"])).ends_with("with a kind of key that this kernel does not know"));
        assert!(told(&enforced()).ends_with("this kernel does not know that, or not this kind of key"));
    }

    #[test]
    fn the_same_errors_elsewhere_have_other_causes() {
        for (errno, signature, system) in [
            (Errno::PERM, Some(Signed::No), SystemFacts::default()),
            (Errno::PERM, Some(Signed::No), enforced()),
            (Errno::PERM, by("K"), enforced()),
            (Errno::KEYREJECTED, None, enforced()),
            (Errno::KEYREJECTED, Some(Signed::No), SystemFacts::default()),
            (Errno::NOEXEC, Some(Signed::No), enforced()),
        ] {
            assert_eq!(hint(errno, signature.clone(), &system), "", "{errno} {signature:?}");
        }
    }
}
