//! The module directory of the kernel is not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use moddb::ModuleDb;
use modstate::Places;

use crate::facts::in_container;

/// What is known where a module directory is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryFacts {
    /// The directory.
    pub path: PathBuf,
    /// Whether it is there.
    pub is_there: bool,
    /// The running kernel's release, if the directory would be its own in this system, and not in one below another
    /// root.
    pub running: Option<String>,
    /// The releases that have directories beside it, in byte order, and when those changed last.
    pub installed: Vec<(String, Option<SystemTime>)>,
    /// When the kernel was started.
    pub boot: Option<SystemTime>,
    /// Whether this is a container.
    pub in_container: Option<bool>,
}

impl DirectoryFacts {
    /// Looks at the directory of a database. `running` as in the field of that name.
    #[must_use]
    pub fn gather(db: &ModuleDb, places: &Places, running: Option<String>) -> Self {
        let path = db.directory().path().to_owned();
        Self {
            is_there: path.is_dir(),
            running,
            installed: installed(path.parent().unwrap_or(&path)),
            boot: boot(places),
            in_container: in_container(places),
            path,
        }
    }
}

/// What is known of a directory that is missing; `None` for one that is there.
#[must_use]
pub fn hint(facts: &DirectoryFacts) -> Option<String> {
    if facts.is_there {
        return None;
    }
    let names: Vec<&str> = facts.installed.iter().map(|(release, _)| release.as_str()).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let Some(running) = &facts.running else {
        return Some(format!("{} does not exist; installed: {list}", facts.path.display()));
    };
    let is_newer = |changed: &Option<SystemTime>| match (changed, facts.boot) {
        (Some(changed), Some(boot)) => *changed > boot,
        _ => false,
    };
    if facts.in_container == Some(false) && facts.installed.iter().any(|(_, changed)| is_newer(changed)) {
        return Some(format!(
            "that directory is gone; installed: {list}. The kernel was upgraded under the running one: reboot to use \
             its modules"
        ));
    }
    let host =
        if facts.in_container == Some(true) { "; in a container the host has to load modules" } else { "" };
    Some(format!("there are no modules here for the running kernel {running}; installed: {list}{host}"))
}

/// The releases that have a directory in `modules`.
fn installed(modules: &Path) -> Vec<(String, Option<SystemTime>)> {
    let entries = fs::read_dir(modules).into_iter().flatten().flatten();
    let mut releases: Vec<_> = entries
        .filter(|entry| entry.path().join("modules.dep").exists())
        .map(|entry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            (entry.file_name().to_string_lossy().into_owned(), changed)
        })
        .collect();
    releases.sort();
    releases
}

/// When the kernel was started: `btime` of `/proc/stat`.
fn boot(places: &Places) -> Option<SystemTime> {
    let text = fs::read_to_string(places.proc.join("stat")).ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;
    use moddb::paths::ModuleDir;

    use super::*;

    #[test]
    fn what_is_installed_is_found_with_the_time_of_the_boot() {
        let root = tempfile::tempdir().unwrap();
        for release in ["6.2", "6.1", "empty"] {
            fs::create_dir(root.path().join(release)).unwrap();
        }
        for release in ["6.2", "6.1"] {
            fs::write(root.path().join(release).join("modules.dep"), "").unwrap();
        }
        fs::write(root.path().join("stat"), "cpu 1 2\nbtime 1000\n").unwrap();
        let places = Places { proc: root.path().into(), ..Places::of_system() };
        let db = ModuleDb::new(ModuleDir::at(root.path().join("6.0")), Config::default());
        let facts = DirectoryFacts::gather(&db, &places, Some("6.0".into()));
        let releases: Vec<&str> = facts.installed.iter().map(|(release, _)| release.as_str()).collect();
        assert_eq!(releases, ["6.1", "6.2"]);
        assert_eq!(facts.boot, SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1000)));
        assert!(!facts.is_there);
    }

    fn facts(changed: u64, in_container: Option<bool>) -> DirectoryFacts {
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        DirectoryFacts {
            path: "/lib/modules/6.0".into(),
            is_there: false,
            running: Some("6.0".into()),
            installed: vec![("6.1".into(), at(changed))],
            boot: at(1000),
            in_container,
        }
    }

    #[test]
    fn an_upgrade_is_claimed_only_of_a_directory_that_is_newer_than_the_boot() {
        let told = |changed, in_container| hint(&facts(changed, in_container)).unwrap_or_default();
        assert_eq!(
            told(2000, Some(false)),
            "that directory is gone; installed: 6.1. The kernel was upgraded under the running one: reboot to use \
             its modules"
        );
        let known = "there are no modules here for the running kernel 6.0; installed: 6.1";
        assert_eq!(told(500, Some(false)), known);
        assert_eq!(told(2000, None), known);
        assert_eq!(told(2000, Some(true)), format!("{known}; in a container the host has to load modules"));
    }

    #[test]
    fn of_another_release_or_root_only_what_is_installed_is_told() {
        let other = DirectoryFacts { running: None, ..facts(2000, Some(false)) };
        assert_eq!(hint(&other).as_deref(), Some("/lib/modules/6.0 does not exist; installed: 6.1"));
        let none = DirectoryFacts { installed: Vec::new(), ..other.clone() };
        assert_eq!(hint(&none).as_deref(), Some("/lib/modules/6.0 does not exist; installed: none"));
        // A module that is not found although the directory is there has another cause.
        assert_eq!(hint(&DirectoryFacts { is_there: true, ..other }), None);
    }
}
