//! The file was built for another kernel.
//!
//! The kernel compares the whole string (`same_magic` of `kernel/module/version.c`); a kernel with module versions,
//! given a file that has some, leaves out the first word, the release.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    if file.errno != Errno::NOEXEC.raw_os_error() || file.flags.ignore_vermagic {
        return None;
    }
    let (release, features) = split(file.vermagic.as_deref()?);
    let of_kernel = file.kernel_vermagic.as_deref().map(split);
    // With nothing to compare with, whether the kernel looks at the release is known only of a file without versions.
    let counts_release = match of_kernel {
        Some((_, features)) => !(file.has_versions && features.contains("modversions")),
        None => !file.has_versions,
    };
    let shown = &file.shown;
    if counts_release && release != system.release {
        return Some(format!(
            "{shown} was built for {release} (vermagic), the running kernel is {}: rebuild it",
            system.release
        ));
    }
    let (_, expected) = of_kernel.filter(|(_, expected)| *expected != features)?;
    Some(format!(
        "{shown} was built for a kernel with '{features}' (vermagic), this one has '{expected}': rebuild it"
    ))
}

/// The release, and the features.
fn split(vermagic: &str) -> (&str, &str) {
    let (release, features) = vermagic.split_once(' ').unwrap_or((vermagic, ""));
    (release, features.trim_end())
}

#[cfg(test)]
mod tests {
    use modkernel::InsertFlags;

    use super::*;

    fn told(vermagic: &str, has_versions: bool, of_kernel: Option<&str>) -> String {
        let file = FileFacts {
            errno: Errno::NOEXEC.raw_os_error(),
            shown: "r.ko".into(),
            vermagic: Some(vermagic.into()),
            has_versions,
            kernel_vermagic: of_kernel.map(str::to_owned),
            ..FileFacts::default()
        };
        hint(&file, &system()).unwrap_or_default()
    }

    fn system() -> SystemFacts {
        SystemFacts { release: "6.1.0-56".into(), ..SystemFacts::default() }
    }

    #[test]
    fn another_release_is_named_where_the_kernel_looks_at_it() {
        let expected = "r.ko was built for 6.1.0-49 (vermagic), the running kernel is 6.1.0-56: rebuild it";
        assert_eq!(told("6.1.0-49 SMP mod_unload ", false, None), expected);
        assert_eq!(told("6.1.0-49 SMP ", true, Some("6.1.0-56 SMP ")), expected);
        assert_eq!(told("6.1.0-49 SMP modversions ", false, Some("6.1.0-56 SMP modversions ")), expected);
        // With module versions in both, the kernel does not compare releases: the cause is another.
        assert_eq!(told("6.1.0-49 SMP modversions ", true, Some("6.1.0-56 SMP modversions ")), "");
        assert_eq!(told("6.1.0-49 SMP modversions ", true, None), "");
    }

    #[test]
    fn other_features_are_named() {
        assert_eq!(
            told("6.1.0-49 SMP preempt modversions ", true, Some("6.1.0-56 SMP modversions ")),
            "r.ko was built for a kernel with 'SMP preempt modversions' (vermagic), this one has 'SMP modversions': \
             rebuild it"
        );
    }

    #[test]
    fn the_same_error_of_a_file_that_was_built_for_this_kernel_has_another_cause() {
        assert_eq!(told("6.1.0-56 SMP mod_unload ", false, Some("6.1.0-56 SMP mod_unload ")), "");
        let other = FileFacts { vermagic: Some("6.1.0-49 SMP".into()), ..FileFacts::default() };
        assert_eq!(hint(&FileFacts { errno: Errno::INVAL.raw_os_error(), ..other.clone() }, &system()), None);
        let forced = InsertFlags { ignore_vermagic: true, ..InsertFlags::default() };
        let errno = Errno::NOEXEC.raw_os_error();
        assert_eq!(hint(&FileFacts { errno, flags: forced, ..other.clone() }, &system()), None);
        assert_eq!(hint(&FileFacts { errno, vermagic: None, ..other }, &system()), None);
    }
}
