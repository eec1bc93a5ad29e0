//! Who uses a module, as far as can be found out: modules, what is mounted, the devices and interfaces that it
//! drives, processes that have its device nodes open. Looked for only when somebody reads it.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::name::normalize_alias;
use modfile::wildcard::matches;
use modstate::Places;

use crate::aliases;
use crate::evidence::{self, Sign, Sources, Subject};
use crate::open::{self, OpenNode};

/// More processes than this are counted, not named.
const NAMED: usize = 5;

/// The users of a module, as far as they are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Modules.
    pub holders: Vec<ModuleName>,
    /// What the system shows of its use.
    pub signs: Vec<Sign>,
    /// Processes with its device nodes open.
    pub open: Vec<OpenNode>,
}

impl Users {
    /// Looks for users of a module. What cannot be read is skipped.
    #[must_use]
    pub fn gather(module: &ModuleName, holders: &[ModuleName], places: &Places, db: &ModuleDb) -> Self {
        let aliases = aliases::of_loaded(&places.sys_module(), db, module).unwrap_or_default();
        let subject = Subject { name: module.clone(), aliases };
        let mut signs = evidence::all(&Sources::new(&places.sys, &places.proc), &subject);
        signs.retain(Sign::is_use);
        signs.retain_mut(|sign| keep_busy(sign, places));
        let open = open::nodes(places, module, &|name| has_alias(&subject, name));
        Self { holders: holders.to_vec(), signs, open }
    }

    /// Whether nobody is found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.signs.is_empty() && self.open.is_empty()
    }

    /// One line that names all of them; `None` if nobody is found.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.to_string())
    }
}

impl fmt::Display for Users {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        let mut add = |group, word| match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, words)) => words.push(word),
            None => groups.push((group, vec![word])),
        };
        let holders = if self.holders.len() == 1 { "used by the module " } else { "used by the modules " };
        for holder in &self.holders {
            add(holders, holder.to_text().into_owned());
        }
        for sign in &self.signs {
            if let Some((group, word)) = in_words(sign) {
                add(group, word);
            }
        }
        for node in self.open.iter().take(NAMED) {
            add("open: ", node.to_string());
        }
        if let Some(more) = self.open.len().checked_sub(NAMED).filter(|&more| more > 0) {
            add("open: ", format!("and {more} more"));
        }
        let parts: Vec<String> =
            groups.iter().map(|(group, words)| format!("{group}{}", words.join(", "))).collect();
        formatter.write_str(&parts.join("; "))
    }
}

/// A loop device is there whether somebody uses it or not: one that has a file is named with it.
fn keep_busy(sign: &mut Sign, places: &Places) -> bool {
    let Sign::BlockDevice(name) = sign else { return true };
    let directory = places.sys.join("block").join(OsStr::from_bytes(name));
    if !name.starts_with(b"loop") {
        return true;
    }
    let Ok(file) = std::fs::read(directory.join("loop/backing_file")) else { return false };
    *name = [name, b" (".as_slice(), file.trim_ascii_end(), b")"].concat();
    true
}

/// The group in which a sign is named, and what stands for it there.
fn in_words(sign: &Sign) -> Option<(&'static str, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match sign {
        Sign::Device(name) => ("drives ", text(name)),
        Sign::Interface(name) => ("network interfaces ", text(name)),
        Sign::BlockDevice(name) => ("block devices ", text(name)),
        Sign::Swap(name) => ("swap on ", text(name)),
        Sign::Mounted { device, place, kind } => {
            ("mounted: ", format!("{} ({} on {})", text(place), text(kind), text(device)))
        }
        Sign::Table(name) => ("packet filter tables ", text(name)),
        Sign::Sockets { protocol, count } => ("sockets: ", format!("{count} of {}", text(protocol))),
        Sign::Selected(path) => ("chosen in ", path.display().to_string()),
        Sign::OutOfTree | Sign::Unreadable(_) => return None,
    })
}

/// Whether an alias of the module matches this name.
fn has_alias(subject: &Subject, name: &str) -> bool {
    let Ok(name) = normalize_alias(name.as_bytes()) else { return false };
    let aliases = subject.aliases.iter().filter_map(|alias| normalize_alias(alias).ok());
    aliases.into_iter().any(|alias| matches(&alias, &name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use fixtures::Module;
    use moddb::config::Config;
    use moddb::paths::ModuleDir;

    use super::*;

    #[test]
    fn users_of_all_kinds_are_named_and_nobody_is_no_hint() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let write = |path: &str, text: &[u8]| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        let link = |path: &str, target: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            symlink(target, at(path)).unwrap();
        };
        write("lib/modules.dep", b"ext4.ko:\n");
        write("lib/ext4.ko", &Module::new("ext4").info("alias=fs-ext3").info("alias=char-major-1-*").bytes());
        link("sys/module/ext4/drivers/pci:e1000/0000:00:03.0", "/x");
        link("sys/module/ext4/drivers/pci:e1000/module", "/x");
        link("sys/class/net/eth0/device/driver/module", "/x/ext4");
        write("proc/mounts", b"/dev/a / ext3 rw 0 0\n/dev/b /srv ext4 rw 0 0\n/dev/c /x xfs rw 0 0\n");
        write("proc/42/comm", b"reader\n");
        link("proc/42/fd/3", "/dev/null");
        let places = Places { sys: at("sys"), proc: at("proc"), ..Places::of_system() };
        let db = ModuleDb::new(ModuleDir::at(at("lib")), Config::default());
        assert_eq!(
            Users::gather(&"ext4".into(), &["h".into(), "i".into()], &places, &db).hint().as_deref(),
            Some(
                "used by the modules h, i; drives 0000:00:03.0; network interfaces eth0; \
                 mounted: / (ext3 on /dev/a), /srv (ext4 on /dev/b); open: /dev/null by reader (42)"
            )
        );
        assert_eq!(Users::gather(&"other".into(), &[], &places, &db).hint(), None);
    }

    #[test]
    fn processes_are_named_up_to_a_number() {
        let open = |process| OpenNode { process, command: "cat".into(), node: "/dev/x".into() };
        let users = |count| Users { open: (1..=count).map(open).collect(), ..Users::default() }.to_string();
        assert_eq!(users(1), "open: /dev/x by cat (1)");
        assert!(users(7).ends_with("/dev/x by cat (5), and 2 more"));
    }

    #[test]
    fn loop_devices_are_named_with_their_files_and_idle_ones_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["block/loop0", "block/loop1/loop", "class/net"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("block/loop0/dev"), "7:0\n").unwrap();
        fs::write(at("block/loop1/dev"), "7:1\n").unwrap();
        fs::write(at("block/loop1/loop/backing_file"), "/srv/image\n").unwrap();
        fs::write(at("devices"), "Block devices:\n  7 loop\n").unwrap();
        let places = Places { sys: root.path().into(), proc: root.path().into(), ..Places::of_system() };
        let db = ModuleDb::new(ModuleDir::at(at("lib")), Config::default());
        let users = Users::gather(&"loop".into(), &[], &places, &db);
        assert_eq!(users.hint().as_deref(), Some("block devices loop1 (/srv/image)"));
    }

    #[test]
    fn aliases_are_patterns() {
        let subject = Subject { name: "m".into(), aliases: vec![b"char-major-116-*".to_vec()] };
        assert!(has_alias(&subject, "char-major-116-33"));
        assert!(!has_alias(&subject, "char-major-117-33"));
        assert!(!has_alias(&subject, "block-major-116-33"));
    }
}
