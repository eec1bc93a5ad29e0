//! Modules that belong to the kernel: what they were built with is what the kernel was built with.

use std::collections::HashMap;
use std::path::PathBuf;

use moddb::ModuleDb;
use moddb::paths::Table;
use modfile::elf::Layout;
use modfile::file::{self, Buffers};
use modfile::symbols::{self, Needs, NeedsScratch, SymbolTable};
use modfile::{ReadError, modinfo, regular};

/// How many of them are read.
const READ: usize = 16;
/// A list of dependencies is not longer, in bytes.
const LONGEST_LIST: usize = 16 << 20;

/// What the modules of the kernel have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// What they were built for.
    pub vermagic: Option<String>,
    /// The checksums of symbols that they use.
    pub checksums: HashMap<Vec<u8>, u64>,
}

impl Reference {
    /// Reads some modules of the database that came with the kernel of this release.
    #[must_use]
    pub fn gather(db: &ModuleDb, release: &str) -> Self {
        let mut reference = Self::default();
        for path in in_tree(db) {
            // Others may do.
            let _ = reference.read(&path, release);
        }
        reference
    }

    fn read(&mut self, path: &std::path::Path, release: &str) -> Result<(), ReadError> {
        let file = file::open(path)?;
        let mut buffers = Buffers::default();
        let image = file::image(&file, &mut buffers)?;
        let mut names = Default::default();
        let layout = Layout::read(&image, &mut names)?;
        let mut buffer = Vec::new();
        let Some(section) = modinfo::section(&image, &layout, &mut buffer)? else { return Ok(()) };
        let vermagic = modinfo::values(section, "vermagic").next().unwrap_or_default();
        let vermagic = String::from_utf8_lossy(vermagic);
        if vermagic.split(' ').next() != Some(release) {
            return Ok(());
        }
        self.vermagic.get_or_insert(vermagic.into_owned());
        let mut buffers = Default::default();
        let table = SymbolTable::read(&image, &layout, &mut buffers)?;
        let mut needs = Needs::default();
        symbols::needs(&image, &layout, &table, &mut NeedsScratch::default(), &mut needs)?;
        let known = needs.iter().filter(|need| need.crc != 0);
        self.checksums.extend(known.map(|need| (need.name.to_vec(), need.crc)));
        Ok(())
    }
}

/// The files of some modules from the kernel's own tree, spread over the list.
fn in_tree(db: &ModuleDb) -> Vec<PathBuf> {
    let Ok(text) = regular::read(&db.directory().text(Table::Dependencies), LONGEST_LIST) else {
        return Vec::new();
    };
    let paths: Vec<&[u8]> = text
        .split(|&byte| byte == b'\n')
        .filter(|line| line.starts_with(b"kernel/"))
        .filter_map(|line| line.split(|&byte| byte == b':').next())
        .collect();
    let step = (paths.len() / READ).max(1);
    paths.iter().step_by(step).take(READ).map(|path| db.directory().join(path)).collect()
}
