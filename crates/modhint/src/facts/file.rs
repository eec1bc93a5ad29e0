//! What a refused module file says about itself.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use moddb::ModuleDb;
use modfile::elf::Layout;
use modfile::file::{self, Buffers, Image};
use modfile::signature::Signature;
use modfile::symbols::{self, Exports, Needs, NeedsScratch, SymbolTable, Versions};
use modfile::{ModuleName, ReadError, modinfo};
use modkernel::{InsertFlags, ModuleState, Sysfs};
use modstate::Places;
use rustix::io::Errno;

use super::damage::{damage, missing_firmware};
use super::reference::Reference;
use crate::declared::Declared;

/// A load that failed.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The error number.
    pub errno: i32,
    /// The module.
    pub module: &'a ModuleName,
    /// Its file.
    pub path: &'a Path,
    /// The parameters that it was given.
    pub params: &'a [u8],
    /// What was not to be checked.
    pub flags: InsertFlags,
}

/// A module file that the kernel refused. What cannot be read is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// The error number.
    pub errno: i32,
    /// The module.
    pub module: String,
    /// The file as it is shown: relative to the module directory if it is inside.
    pub shown: String,
    /// Whether a part of the checks was to be left out.
    pub flags: InsertFlags,
    /// What keeps the file from being a module.
    pub damage: Option<String>,
    /// What it was built for.
    pub vermagic: Option<String>,
    /// The processor it was built for, `e_machine` of its header.
    pub machine: Option<u16>,
    /// Whether it carries checksums of the symbols that it uses.
    pub has_versions: bool,
    /// What is appended as a signature.
    pub signature: Option<Signed>,
    /// Symbols that it needs and that the running kernel does not have.
    pub missing: Vec<MissingSymbol>,
    /// Symbols that have another checksum than the one it was built against.
    pub changed: Vec<ChangedSymbol>,
    /// Symbols that it exports and that somebody exports already.
    pub duplicates: Vec<Duplicate>,
    /// The parameters it was given.
    pub params: Vec<u8>,
    /// The parameters it has.
    pub declared: Option<Declared>,
    /// Firmware that it names and that is not installed.
    pub missing_firmware: Vec<String>,
    /// What the kernel's own modules were built for.
    pub kernel_vermagic: Option<String>,
}

/// How a file is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Not at all.
    No,
    /// There is a signature that makes no sense.
    Damaged,
    /// By a key.
    By {
        /// Who signed, as the signature says; empty if it does not.
        signer: String,
        /// The key, in hexadecimal digits.
        key: String,
        /// The hash that was signed.
        digest: String,
    },
}

/// A symbol that the running kernel does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSymbol {
    /// Its name.
    pub name: String,
    /// The installed module that provides it.
    pub provider: Option<String>,
}

/// A symbol with another checksum than the one that was built against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSymbol {
    /// Its name.
    pub name: String,
    /// The installed module that provides it; `None` for one of the kernel itself.
    pub provider: Option<String>,
}

/// A symbol that is exported twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Its name.
    pub name: String,
    /// The loaded module that exports it; `None` for the kernel itself.
    pub owner: Option<String>,
}

impl FileFacts {
    /// Reads what a refused file says about itself. What cannot be read stays unknown.
    #[must_use]
    pub fn gather(refused: &Refused<'_>, db: &ModuleDb, places: &Places, release: &str) -> Self {
        let path = refused.path;
        let shown = path.strip_prefix(db.directory().path()).unwrap_or(path).display().to_string();
        let mut facts = Self {
            errno: refused.errno,
            module: refused.module.to_text().into_owned(),
            shown,
            flags: refused.flags,
            params: refused.params.to_vec(),
            ..Self::default()
        };
        if let Err(error) = facts.read(path, db, places, release) {
            facts.damage = damage(path, &error);
        }
        facts
    }

    fn read(&mut self, path: &Path, db: &ModuleDb, places: &Places, release: &str) -> Result<(), ReadError> {
        let file = file::open(path)?;
        let mut buffers = Buffers::default();
        let image = file::image(&file, &mut buffers)?;
        self.signature = Some(match Signature::read(&image)? {
            None => Signed::No,
            Some(Signature::Damaged) => Signed::Damaged,
            Some(Signature::Readable(contents)) => Signed::By {
                signer: text(&contents.signer),
                key: contents.key.iter().map(|byte| format!("{byte:02x}")).collect(),
                digest: contents.digest.into_owned(),
            },
        });
        let mut names = Default::default();
        let layout = Layout::read(&image, &mut names)?;
        self.machine = Some(layout.machine);
        let mut buffer = Vec::new();
        if let Some(section) = modinfo::section(&image, &layout, &mut buffer)? {
            self.vermagic = modinfo::values(section, "vermagic").next().map(text);
            self.declared = Some(Declared::of_section(section, layout.class));
            self.missing_firmware = missing_firmware(db, modinfo::values(section, "firmware"));
        }
        if symbols_matter(self.errno) {
            let reference = Reference::gather(db, release);
            self.kernel_vermagic.clone_from(&reference.vermagic);
            self.read_symbols(&image, &layout, &Around { db, places, reference })?;
        }
        Ok(())
    }

    fn read_symbols(
        &mut self,
        image: &Image<'_>,
        layout: &Layout<'_>,
        around: &Around<'_>,
    ) -> Result<(), ReadError> {
        let (mut table_buffers, mut version_buffers) = Default::default();
        let table = SymbolTable::read(image, layout, &mut table_buffers)?;
        let versions = Versions::read(image, layout, &mut version_buffers)?;
        self.has_versions = !versions.is_empty();
        let kallsyms = fs::read(around.places.proc.join("kallsyms")).ok();
        let known = kallsyms.as_deref().map(kernel_symbols);
        let mut needs = Needs::default();
        symbols::needs(image, layout, &table, &mut NeedsScratch::default(), &mut needs)?;
        for need in needs.iter().filter(|need| !need.weak) {
            if known.as_ref().is_some_and(|known| !known.contains_key(need.name)) {
                let provider = around.provider(need.name).map(|(name, _)| name.to_text().into_owned());
                self.missing.push(MissingSymbol { name: text(need.name), provider });
            }
        }
        let missing: HashSet<&str> = self.missing.iter().map(|symbol| symbol.name.as_str()).collect();
        for version in (0..versions.len()).filter_map(|place| versions.at(layout, place)) {
            if version.crc == 0 || missing.contains(text(version.name).as_str()) {
                continue;
            }
            let provider = around.provider(version.name);
            let crc = match &provider {
                Some((_, path)) => exported_crc(path, version.name),
                None => around.reference.checksums.get(version.name).copied(),
            };
            if crc.is_some_and(|crc| crc != version.crc) {
                let provider = provider.map(|(name, _)| name.to_text().into_owned());
                self.changed.push(ChangedSymbol { name: text(version.name), provider });
            }
        }
        let mut exports = Exports::default();
        symbols::exports(image, layout, &table, &mut exports)?;
        for export in exports.iter() {
            if let Some(owner) = around.owner(export.name, &self.module, known.as_ref()) {
                self.duplicates.push(Duplicate { name: text(export.name), owner });
            }
        }
        Ok(())
    }
}

/// What a module's symbols are compared with.
struct Around<'a> {
    db: &'a ModuleDb,
    places: &'a Places,
    reference: Reference,
}

impl Around<'_> {
    /// The installed module that provides a symbol, and its file.
    fn provider(&self, symbol: &[u8]) -> Option<(ModuleName, PathBuf)> {
        let found = self.db.resolve(&[b"symbol:", symbol].concat()).into_iter();
        found.filter_map(|entry| Some((entry.name, entry.path?))).next()
    }

    /// Who exports a symbol already; `None` inside for the kernel itself.
    fn owner(
        &self,
        symbol: &[u8],
        module: &str,
        known: Option<&KernelSymbols<'_>>,
    ) -> Option<Option<String>> {
        // The kernel names the entries of its tables of exports so.
        let entry = [b"__ksymtab_", symbol].concat();
        if let Some(owner) = known.and_then(|known| known.get(entry.as_slice())) {
            return Some(owner.map(text)).filter(|owner| owner.as_deref() != Some(module));
        }
        let (name, path) = self.provider(symbol)?;
        let is_loaded = matches!(Sysfs::new(self.places.sys_module()).state(&name), Ok(ModuleState::Live));
        let is_other = is_loaded && name.to_text() != module && exported(&path, symbol).is_some();
        is_other.then(|| Some(name.to_text().into_owned()))
    }
}

/// The error numbers that symbols can cause.
fn symbols_matter(errno: i32) -> bool {
    [Errno::NOENT, Errno::NOEXEC, Errno::INVAL].contains(&Errno::from_raw_os_error(errno))
}

/// The checksum of a symbol that the module in a file exports; 0 if it has none.
fn exported(path: &Path, symbol: &[u8]) -> Option<u64> {
    let file = file::open(path).ok()?;
    let mut file_buffers = Buffers::default();
    let image = file::image(&file, &mut file_buffers).ok()?;
    let mut names = Default::default();
    let layout = Layout::read(&image, &mut names).ok()?;
    let mut buffers = Default::default();
    let table = SymbolTable::read(&image, &layout, &mut buffers).ok()?;
    let mut exports = Exports::default();
    symbols::exports(&image, &layout, &table, &mut exports).ok()?;
    exports.iter().find(|export| export.name == symbol).map(|export| export.crc)
}

fn exported_crc(path: &Path, symbol: &[u8]) -> Option<u64> {
    exported(path, symbol).filter(|&crc| crc != 0)
}

/// Symbols with the modules that have them; `None` for the kernel itself.
type KernelSymbols<'a> = HashMap<&'a [u8], Option<&'a [u8]>>;

/// The symbols in the text of `/proc/kallsyms`: the third word of each line is a name, the fourth a module in brackets.
fn kernel_symbols(text: &[u8]) -> KernelSymbols<'_> {
    let lines = text.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| {
            let mut words = line.split(u8::is_ascii_whitespace);
            let name = words.nth(2)?;
            let module = words.find_map(|word| word.strip_prefix(b"[")?.strip_suffix(b"]"));
            Some((name, module))
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use fixtures::Module;
    use moddb::config::Config;
    use moddb::paths::ModuleDir;

    use super::*;

    fn gather(directory: &Path, errno: i32, name: &str) -> FileFacts {
        let db = ModuleDb::new(ModuleDir::at(directory.into()), Config::default());
        let places = Places { proc: directory.into(), sys: directory.into(), ..Places::of_system() };
        let path = directory.join(format!("{name}.ko"));
        let module = ModuleName::from(name);
        let flags = InsertFlags::default();
        FileFacts::gather(
            &Refused { errno, module: &module, path: &path, params: b"", flags },
            &db,
            &places,
            "6.1.0",
        )
    }

    #[test]
    fn a_file_says_what_it_was_built_for_and_which_symbols_are_missing_or_changed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let module = Module::new("a").info("vermagic=6.1.0 SMP").versioned_need("here", 1).need("gone");
        let module =
            module.versioned_need("other_crc", 2).need("in_b").weak_need("weak").info("firmware=f.bin");
        let module = module.versioned_need("of_kernel", 3).versioned_need("same", 4);
        fs::write(at("a.ko"), module.signed(fixtures::Signature::pkcs7(b"der")).bytes()).unwrap();
        fs::write(at("b.ko"), Module::new("b").export("in_b", 5).export("other_crc", 6).bytes()).unwrap();
        fs::create_dir(at("kernel")).unwrap();
        let in_tree = Module::new("c").info("vermagic=6.1.0 SMP mod").versioned_need("of_kernel", 7);
        fs::write(at("kernel/c.ko"), in_tree.versioned_need("same", 4).bytes()).unwrap();
        fs::write(at("modules.dep"), "a.ko:\nb.ko:\nkernel/c.ko:\n").unwrap();
        fs::write(at("modules.symbols"), "alias symbol:in_b b\nalias symbol:other_crc b\n").unwrap();
        fs::write(at("kallsyms"), "0 T here\n0 t x [y]\n0 D other_crc\t[b]\n0 T of_kernel\n0 T same\n")
            .unwrap();
        let facts = gather(directory.path(), 2, "a");
        assert_eq!(facts.vermagic.as_deref(), Some("6.1.0 SMP"));
        assert_eq!(facts.kernel_vermagic.as_deref(), Some("6.1.0 SMP mod"));
        assert!(matches!(facts.signature, Some(Signed::Damaged | Signed::By { .. })));
        assert_eq!(facts.missing_firmware, ["f.bin"]);
        assert!(facts.machine.is_some() && facts.has_versions);
        let missing = |name: &str, provider: Option<&str>| MissingSymbol {
            name: name.into(),
            provider: provider.map(str::to_owned),
        };
        assert_eq!(facts.missing, [missing("gone", None), missing("in_b", Some("b"))]);
        let changed = |name: &str, provider: Option<&str>| ChangedSymbol {
            name: name.into(),
            provider: provider.map(str::to_owned),
        };
        assert_eq!(facts.changed, [changed("other_crc", Some("b")), changed("of_kernel", None)]);
    }

    #[test]
    fn a_symbol_that_somebody_exports_already_is_named_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a.ko"), Module::new("a").export("twice", 1).export("core", 1).export("own", 1).bytes())
            .unwrap();
        fs::write(at("b.ko"), Module::new("b").export("twice", 1).bytes()).unwrap();
        fs::write(at("modules.dep"), "a.ko:\nb.ko:\n").unwrap();
        fs::write(at("modules.symbols"), "alias symbol:twice b\n").unwrap();
        fs::write(at("kallsyms"), "0 r __ksymtab_core\n0 T own\n").unwrap();
        let duplicate = |name: &str, owner: Option<&str>| Duplicate {
            name: name.into(),
            owner: owner.map(str::to_owned),
        };
        assert_eq!(gather(directory.path(), 8, "a").duplicates, [duplicate("core", None)]);
        fs::create_dir_all(at("module/b")).unwrap();
        fs::write(at("module/b/initstate"), "live\n").unwrap();
        let facts = gather(directory.path(), 8, "a");
        assert_eq!(facts.duplicates, [duplicate("twice", Some("b")), duplicate("core", None)]);
    }

    #[test]
    fn what_is_no_module_is_described() {
        let directory = tempfile::tempdir().unwrap();
        for (content, expected) in [
            (&b""[..], Some("is empty")),
            (&[0; 5000], Some("holds nothing but zeros")),
            (b"<html>\n<body>Not Found</body></html>", Some("is a text that begins with '<html>'")),
            (b"\x7fELF", Some("is no module: only 4 bytes long")),
        ] {
            fs::write(directory.path().join("a.ko"), content).unwrap();
            assert_eq!(gather(directory.path(), 22, "a").damage.as_deref(), expected);
        }
        fs::write(directory.path().join("a.ko"), Module::new("a").bytes()).unwrap();
        assert_eq!(gather(directory.path(), 22, "a").damage, None);
    }

    #[test]
    fn what_cannot_be_read_stays_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let facts = gather(directory.path(), 2, "a");
        let nothing =
            FileFacts { errno: 2, module: "a".into(), shown: "a.ko".into(), ..FileFacts::default() };
        assert_eq!(facts, nothing);
    }
}
