//! The module directory of the kernel is not there.

use std::path::Path;

/// `installed` are the releases that have module directories; `is_running` says whether the missing one is that
/// of the running kernel.
#[must_use]
pub fn hint(directory: &Path, is_there: bool, is_running: bool, installed: &[String]) -> Option<String> {
    if is_there {
        return None;
    }
    let list = if installed.is_empty() { "none".to_owned() } else { installed.join(", ") };
    Some(match (is_running, installed.is_empty()) {
        (true, false) => format!(
            "that directory is gone; installed: {list}. The kernel was upgraded under the running one: reboot to use its modules"
        ),
        _ => format!("{} does not exist; installed: {list}", directory.display()),
    })
}

/// The releases that have a directory in `modules`, in byte order.
#[must_use]
pub fn installed(modules: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(modules).into_iter().flatten().flatten();
    let mut releases: Vec<String> = entries
        .filter(|entry| entry.path().join("modules.dep").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    releases.sort();
    releases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_told_with_what_is_installed() {
        let root = tempfile::tempdir().unwrap();
        for release in ["6.2", "6.1", "empty"] {
            std::fs::create_dir(root.path().join(release)).unwrap();
        }
        for release in ["6.2", "6.1"] {
            std::fs::write(root.path().join(release).join("modules.dep"), "").unwrap();
        }
        let releases = installed(root.path());
        assert_eq!(releases, ["6.1", "6.2"]);
        let directory = Path::new("/lib/modules/6.0");
        let told = |is_there, is_running, releases: &[String]| {
            hint(directory, is_there, is_running, releases).unwrap_or_default()
        };
        assert!(told(false, true, &releases).contains("installed: 6.1, 6.2. The kernel was upgraded"));
        assert_eq!(told(false, false, &releases), "/lib/modules/6.0 does not exist; installed: 6.1, 6.2");
        assert_eq!(told(false, true, &[]), "/lib/modules/6.0 does not exist; installed: none");
        // A module that is not found although the directory is there has another cause.
        assert_eq!(told(true, true, &releases), "");
    }
}
