//! The database names a file that is not there.

use std::path::Path;

use rustix::io::Errno;

/// What to do about a file that is gone. The kernel returns the same number for an unknown symbol or parameter.
pub(super) fn hint(path: &Path, errno: i32) -> Option<String> {
    let is_missing =
        errno == Errno::NOENT.raw_os_error() && matches!(rustix::fs::stat(path), Err(Errno::NOENT));
    is_missing.then(|| format!("{} is in the database but not there: run depmod", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_gone_is_called_missing() {
        let directory = tempfile::tempdir().unwrap();
        let [gone, there] = ["gone.ko", "there.ko"].map(|name| directory.path().join(name));
        std::fs::write(&there, "").unwrap();
        let noent = Errno::NOENT.raw_os_error();
        assert!(
            hint(&gone, noent)
                .is_some_and(|hint| hint.ends_with("gone.ko is in the database but not there: run depmod"))
        );
        // The kernel says the same of a module with an unknown symbol or parameter.
        assert_eq!(hint(&there, noent), None);
        assert_eq!(hint(&gone, Errno::INVAL.raw_os_error()), None);
    }
}
