//! Who said that a module is to stay: a pin of this load, a note of the same from where `/run` is another, a `keep` line,
//! a list of modules to load at boot.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::regular::{self, RegularError};
use modstate::config::ModutilsConfig;
use modstate::{Identity, Memory, elsewhere, load_lists};

use super::policy::Wanted;
use crate::places::Layout;

/// No list of modules to load at boot is longer, in bytes.
const LONGEST_LIST: usize = 1 << 20;

/// What is known of people's wishes, read when first asked for.
pub(crate) struct Wishes<'a> {
    layout: &'a Layout,
    config: &'a ModutilsConfig,
    memory: &'a Memory,
    at_boot: OnceCell<Option<BTreeSet<ModuleName>>>,
}

impl<'a> Wishes<'a> {
    /// Nothing is read yet.
    pub fn new(layout: &'a Layout, config: &'a ModutilsConfig, memory: &'a Memory) -> Self {
        Self { layout, config, memory, at_boot: OnceCell::new() }
    }

    /// Who wants this load of a module.
    pub fn of(&self, module: &ModuleName, identity: &Identity) -> Option<Wanted> {
        match self.memory.pin(module) {
            Ok(None) => {}
            // A pin of another load says nothing of this one.
            Ok(Some(pinned)) if pinned != *identity => {}
            Ok(Some(_)) => return Some(Wanted::Pinned),
            Err(_) => return Some(Wanted::PinUnreadable),
        }
        match elsewhere::is_noted(&self.layout.sys_module(), module) {
            Ok(false) => {}
            Ok(true) => return Some(Wanted::Elsewhere),
            Err(_) => return Some(Wanted::PinUnreadable),
        }
        if self.config.keeps(module) {
            return Some(Wanted::Kept);
        }
        match self.at_boot.get_or_init(|| at_boot(self.layout)) {
            Some(modules) if !modules.contains(module) => None,
            // Lists that cannot be read may name it.
            _ => Some(Wanted::LoadedAtBoot),
        }
    }
}

/// The modules that are loaded at every boot; `None` if that cannot be known.
fn at_boot(layout: &Layout) -> Option<BTreeSet<ModuleName>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut add = |text: &[u8]| names.extend(load_lists::names(text).map(<[u8]>::to_vec));
    for directory in &layout.modules_load_d {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => continue,
            Err(_) => return None,
        };
        for entry in entries {
            let path = entry.ok()?.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                // A file that an earlier directory masks counts too: better to keep a module too many.
                add(&read(&path)?);
            }
        }
    }
    add(&read(&layout.etc_modules)?);
    let command_line = read(&layout.command_line)?;
    names.extend(load_lists::names_on_command_line(&command_line).map(<[u8]>::to_vec));
    let mut modules: BTreeSet<_> = names.iter().map(|name| ModuleName::new(name)).collect();
    if !names.is_empty() {
        // A name may be an alias.
        let (config, _) = moddb::config::Config::load(&layout.modprobe_d, &[], None);
        let db = ModuleDb::new(layout.module_directory.clone(), config);
        modules.extend(names.iter().flat_map(|name| db.resolve(name)).map(|entry| entry.name));
    }
    Some(modules)
}

/// The contents of a list, empty if it does not exist, `None` if it cannot be read.
fn read(path: &Path) -> Option<Vec<u8>> {
    match regular::read(path, LONGEST_LIST) {
        Ok(text) => Some(text),
        // A link to /dev/null masks a list.
        Err(RegularError::NotRegular(_)) => Some(Vec::new()),
        Err(error) if error.is_missing() => Some(Vec::new()),
        Err(_) => None,
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use modstate::BootId;

    use super::super::tests::{World, world};
    use super::*;

    fn wanted(world: &World, config: &str, module: &str) -> Option<Wanted> {
        let mut rules = ModutilsConfig::default();
        rules.add(Path::new("a.conf"), config.as_bytes());
        let memory = Memory::new(&world.layout.places);
        Wishes::new(&world.layout, &rules, &memory).of(&module.into(), &load(7))
    }

    fn load(inode: u64) -> Identity {
        Identity { inode, boot: BootId::parse(&[b'1'; 36]).unwrap() }
    }

    #[test]
    fn nobody_wants_a_module_that_nothing_names() {
        assert_eq!(wanted(&world(&[]), "keep other\n", "m"), None);
    }

    #[test]
    fn a_pin_counts_for_its_own_load() {
        let world = world(&[]);
        let memory = Memory::new(&world.layout.places);
        memory.write_pin(&"m".into(), &load(8)).unwrap();
        assert_eq!(wanted(&world, "", "m"), None);
        memory.write_pin(&"m".into(), &load(7)).unwrap();
        assert_eq!(wanted(&world, "", "m"), Some(Wanted::Pinned));
    }

    #[test]
    fn a_damaged_pin_keeps_its_module() {
        let world = world(&[("run/modutils/pinned/m", "inode=")]);
        assert_eq!(wanted(&world, "", "m"), Some(Wanted::PinUnreadable));
        assert_eq!(wanted(&world, "", "n"), None);
    }

    #[test]
    fn a_note_from_elsewhere_keeps() {
        let world = world(&[("sys/module/m/initstate", "live\n"), ("sys/module/n/initstate", "live\n")]);
        elsewhere::note(&world.layout.sys_module(), &"m".into()).unwrap();
        assert_eq!(wanted(&world, "", "m"), Some(Wanted::Elsewhere));
        assert_eq!(wanted(&world, "", "n"), None);
    }

    #[test]
    fn a_keep_line_keeps() {
        assert_eq!(wanted(&world(&[]), "keep m*\n", "m"), Some(Wanted::Kept));
    }

    #[test]
    fn every_list_of_modules_to_load_at_boot_counts() {
        for (file, text) in [
            ("etc/modules", "# x\nm-n opt=1\n"),
            ("etc/modules-load.d/a.conf", "m-n\n"),
            ("lib/modules-load.d/a.conf", "m_n\n"),
            ("proc/cmdline", "quiet modules_load=a,m-n\n"),
            ("proc/cmdline", "rd.modules_load=m_n\n"),
        ] {
            let world = world(&[(file, text)]);
            assert_eq!(wanted(&world, "", "m_n"), Some(Wanted::LoadedAtBoot), "{file}");
            assert_eq!(wanted(&world, "", "m"), None, "{file}");
        }
        assert_eq!(wanted(&world(&[("etc/modules-load.d/a.txt", "m\n")]), "", "m"), None);
    }

    #[test]
    fn a_list_may_name_a_module_by_an_alias() {
        let world = world(&[
            ("etc/modules", "nick\n"),
            ("etc/modprobe.d/a.conf", "alias nick m_n\n"),
            ("lib/modules/modules.dep", "m_n.ko:\n"),
        ]);
        assert_eq!(wanted(&world, "", "m_n"), Some(Wanted::LoadedAtBoot));
        assert_eq!(wanted(&world, "", "m"), None);
    }

    #[test]
    fn lists_that_cannot_be_read_keep_everything() {
        let world = world(&[("etc/modules-load.d", "a file")]);
        assert_eq!(wanted(&world, "", "m"), Some(Wanted::LoadedAtBoot));
    }
}
