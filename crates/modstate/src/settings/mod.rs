//! Settings that survive an unload: the values of a module's parameters, and of the sysctls it brings, as far as
//! `persist` lines of modutils.d name them.
//!
//! At load the values of that moment are taken as a baseline and the saved ones are written back; before an
//! unload what differs from the baseline is saved. So a value that nobody changed is not frozen, and follows a
//! new default. A settings file is data: it can only set what the configuration names, below the module's own
//! parameters and `/proc/sys`, through no link.
//!
//! Without a `persist` line for the module nothing here touches anything; callers ask
//! [`ModutilsConfig::persist`](crate::config::ModutilsConfig::persist) first and read neither clock nor identity without need.

mod baseline;
mod document;
mod file;
mod key;
mod network;
mod notice;
mod restore;
mod save;
mod show;
mod values;

use modfile::ModuleName;

use crate::identity::{BootId, Identity};
use crate::places::Places;

pub use document::{Document, Header};
pub use key::Key;
pub use notice::Notice;
pub use restore::{PutBack, Restoring, restore_after_insertion, restore_later};
pub use save::{Saved, Saving, save_before_removal};
pub use show::{Setting, Shown, show, with_saved};

impl Places {
    /// The present load of a module; `None` if it is not loaded, or if that is not known.
    #[must_use]
    pub fn load_of(&self, module: &ModuleName) -> Option<Identity> {
        let boot = BootId::read(&self.boot_id()).ok()?;
        Identity::of_loaded(&self.sys_module(), module, &boot).ok()?
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A system in a temporary directory.

    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{ModutilsConfig, What};
    use crate::identity::Identity;
    use crate::identity::tests::boot;

    pub(crate) struct System {
        pub root: tempfile::TempDir,
        pub places: Places,
        pub config: ModutilsConfig,
    }

    pub(crate) fn system(config: &str, files: &[(&str, &str)]) -> System {
        let root = tempfile::tempdir().unwrap();
        for directory in ["run", "var/lib", "sys/module/m/parameters", "proc/sys"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
        let mut rules = ModutilsConfig::default();
        assert_eq!(rules.add(Path::new("a.conf"), config.as_bytes()), []);
        let system = System { root, places, config: rules };
        for (path, text) in files {
            system.write(path, text);
        }
        system
    }

    impl System {
        pub fn path(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }

        pub fn write(&self, path: &str, text: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            fs::write(path, text).unwrap();
        }

        pub fn read(&self, path: &str) -> String {
            fs::read_to_string(self.path(path)).unwrap_or_else(|error| format!("({error})"))
        }

        /// A value, with or without the newline that a kernel shows behind it.
        pub fn value(&self, path: &str) -> String {
            self.read(path).trim_end().to_owned()
        }

        pub fn rules(&self) -> Vec<&What> {
            self.config.persist(self.module()).collect()
        }

        pub fn module(&self) -> &ModuleName {
            static MODULE: std::sync::LazyLock<ModuleName> =
                std::sync::LazyLock::new(|| ModuleName::from("m"));
            &MODULE
        }

        pub fn load(&self, inode: u64) -> Identity {
            Identity { inode, boot: boot(b'1') }
        }

        /// The texts of the notices of the module's insertion.
        pub fn inserted(&self, inode: u64, put_back: PutBack, given: &[&str]) -> Vec<String> {
            let given: Vec<Vec<u8>> = given.iter().map(|&name| name.into()).collect();
            let restoring = Restoring {
                module: self.module(),
                rules: &self.rules(),
                identity: &self.load(inode),
                put_back,
                given: &given,
            };
            restore_after_insertion(&self.places, &restoring).iter().map(Notice::to_string).collect()
        }

        pub fn removed(&self, inode: u64) -> Vec<String> {
            let header = Header { release: b"6.1".to_vec(), time: 86_400 };
            let saving = Saving {
                module: self.module(),
                rules: &self.rules(),
                identity: &self.load(inode),
                header: &header,
            };
            save_before_removal(&self.places, &saving).notices.iter().map(Notice::to_string).collect()
        }
    }

    #[test]
    fn a_value_that_was_changed_comes_back_and_others_follow_new_defaults() {
        let system = system(
            "persist m\npersist m sysctl net/m_*\n",
            &[
                ("sys/module/m/parameters/a", "1\n"),
                ("sys/module/m/parameters/b", "1\n"),
                ("proc/sys/net/m_max", "10\n"),
            ],
        );
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        system.write("sys/module/m/parameters/a", "5\n");
        system.write("proc/sys/net/m_max", "99\n");
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(
            system.read("var/lib/modutils/settings/m"),
            "#% saved on kernel 6.1 at 1970-01-02T00:00:00Z\nparameters/a = 5\nsysctl/net/m_max = 99\n"
        );
        // The next load, with another default for b.
        for (path, value) in [
            ("sys/module/m/parameters/a", "1"),
            ("sys/module/m/parameters/b", "2"),
            ("proc/sys/net/m_max", "10"),
        ] {
            system.write(path, value);
        }
        assert_eq!(system.inserted(2, PutBack::WhatLoadsNothing, &[]), [""; 0]);
        assert_eq!(system.value("sys/module/m/parameters/a"), "5");
        assert_eq!(system.value("sys/module/m/parameters/b"), "2");
        assert_eq!(system.value("proc/sys/net/m_max"), "99");
        // Nothing was touched since: what was saved stays saved.
        let before = system.read("var/lib/modutils/settings/m");
        assert_eq!(system.removed(2), [""; 0]);
        assert_eq!(system.read("var/lib/modutils/settings/m"), before);
    }

    #[test]
    fn without_a_persist_line_nothing_is_read_or_written() {
        let system = system("keep m\n", &[("sys/module/m/parameters/a", "1\n")]);
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [""; 0]);
        assert_eq!(system.removed(1), [""; 0]);
        assert_eq!(fs::read_dir(system.path("run")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(system.path("var/lib")).unwrap().count(), 0);
    }

    #[test]
    fn a_load_or_unload_in_a_network_namespace_of_its_own_forgets_nothing_and_saves_nothing() {
        let text = "sysctl/net/m_max = 5\n";
        let file = "var/lib/modutils/settings/m";
        let system = system("persist m sysctl net/m_*\n", &[("proc/sys/net/m_max", "1\n"), (file, text)]);
        // A PID namespace of its own, as far as anybody can see.
        let own = std::process::id().to_string();
        for name in ["net", "pid"] {
            system.write(&format!("proc/{own}/ns/{name}"), "");
        }
        std::os::unix::fs::symlink(&own, system.path("proc/self")).unwrap();
        let sentence = "those below net/ are neither saved nor put back, as this process is in another network namespace";
        assert_eq!(system.inserted(1, PutBack::Everything, &[]), [sentence]);
        assert_eq!(system.value("proc/sys/net/m_max"), "1");
        system.write("proc/sys/net/m_max", "7\n");
        assert_eq!(system.removed(1), [sentence]);
        assert_eq!(system.read(file), text);
    }
}
