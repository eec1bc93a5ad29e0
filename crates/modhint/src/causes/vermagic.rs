//! The file was built for another release of the kernel.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    if file.errno != Errno::NOEXEC.raw_os_error() {
        return None;
    }
    // The first word is the release; the others are features, which the running kernel does not list.
    let built_for = file.vermagic.as_deref()?.split(' ').next()?;
    if built_for == system.release {
        return None;
    }
    Some(format!(
        "{} was built for {built_for} (vermagic), the running kernel is {}: rebuild it",
        file.shown, system.release
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_is_named_and_only_where_the_format_was_refused() {
        let system = SystemFacts { release: "6.1.0-56".into(), ..SystemFacts::default() };
        let file = |errno: Errno, vermagic: &str| FileFacts {
            errno: errno.raw_os_error(),
            shown: "updates/r.ko".into(),
            vermagic: Some(vermagic.into()),
            ..FileFacts::default()
        };
        let told = |file: &FileFacts| hint(file, &system);
        assert_eq!(
            told(&file(Errno::NOEXEC, "6.1.0-49 SMP mod_unload ")).as_deref(),
            Some(
                "updates/r.ko was built for 6.1.0-49 (vermagic), the running kernel is 6.1.0-56: rebuild it"
            )
        );
        // The same error of a file that was built for this kernel has another cause.
        assert_eq!(told(&file(Errno::NOEXEC, "6.1.0-56 SMP mod_unload ")), None);
        assert_eq!(told(&FileFacts { vermagic: None, ..file(Errno::NOEXEC, "") }), None);
        assert_eq!(told(&file(Errno::INVAL, "6.1.0-49 SMP")), None);
    }
}
