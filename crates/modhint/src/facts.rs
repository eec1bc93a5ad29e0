//! Gathers what the causes look at: the module's file, and what the system says of itself.

use std::fs;
use std::path::Path;

use moddb::ModuleDb;
use modfile::elf::Layout;
use modfile::file::{self, Buffers, Image};
use modfile::signature::Signature;
use modfile::symbols::{self, Exports, NeedsScratch, SymbolTable};
use modfile::{ModuleName, ReadError, modinfo};
use modstate::Places;
use rustix::io::Errno;

/// A module file that the kernel refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// The kernel's error number.
    pub errno: i32,
    /// The module.
    pub module: String,
    /// The file as it is shown: relative to the module directory if it is inside.
    pub shown: String,
    /// What it was built for.
    pub vermagic: Option<String>,
    /// The processor it was built for, `e_machine` of its header.
    pub machine: Option<u16>,
    /// Whether a signature is appended; `None` if that cannot be seen.
    pub is_signed: Option<bool>,
    /// Who signed, as the signature says.
    pub signer: Option<String>,
    /// Symbols it cannot do without and that the running kernel does not have.
    pub missing: Vec<MissingSymbol>,
    /// Symbols whose provider, an installed module, has another checksum for them.
    pub changed: Vec<ChangedSymbol>,
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
    /// The installed module that provides it.
    pub provider: String,
}

/// What the system says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemFacts {
    /// The kernel's release.
    pub release: String,
    /// The processor, as by `uname -m`.
    pub machine: String,
    /// The kernel's command line.
    pub kernel_command_line: Vec<u8>,
    /// Whether only signed modules are accepted; `None` if that cannot be read.
    pub enforces_signatures: Option<bool>,
    /// The state of lockdown other than `none`.
    pub lockdown: Option<String>,
}

impl FileFacts {
    /// Reads what a refused file says of itself. What cannot be read stays unknown.
    #[must_use]
    pub fn gather(errno: i32, module: &ModuleName, path: &Path, db: &ModuleDb, places: &Places) -> Self {
        let shown = path.strip_prefix(db.directory().path()).unwrap_or(path).display().to_string();
        let mut facts = Self { errno, module: module.to_text().into_owned(), shown, ..Self::default() };
        // The rest stays unknown where the file cannot be read.
        let _ = facts.read(path, db, places);
        facts
    }

    fn read(&mut self, path: &Path, db: &ModuleDb, places: &Places) -> Result<(), ReadError> {
        let file = file::open(path)?;
        let mut buffers = Buffers::default();
        let image = file::image(&file, &mut buffers)?;
        let signature = Signature::read(&image)?;
        self.is_signed = Some(signature.is_some());
        self.signer = signature.as_ref().and_then(Signature::signer).map(text);
        let mut names = Default::default();
        let layout = Layout::read(&image, &mut names)?;
        self.machine = Some(layout.machine);
        let mut buffer = Vec::new();
        if let Some(range) = layout.section(b".modinfo") {
            let section = image.bytes(range.offset, range.len, &mut buffer)?;
            self.vermagic = modinfo::values(section, "vermagic").next().map(text);
        }
        if symbols_matter(self.errno) {
            self.read_symbols(&image, &layout, db, places)?;
        }
        Ok(())
    }

    fn read_symbols(
        &mut self,
        image: &Image<'_>,
        layout: &Layout<'_>,
        db: &ModuleDb,
        places: &Places,
    ) -> Result<(), ReadError> {
        let mut buffers = Default::default();
        let table = SymbolTable::read(image, layout, &mut buffers)?;
        let needs = read_needs(image, layout, &table)?;
        let known = fs::read(places.proc.join("kallsyms")).ok();
        let known = known.as_deref().map(kernel_symbols);
        for need in needs.iter().filter(|need| !need.weak) {
            let provider = || {
                db.resolve(&[b"symbol:", need.name].concat()).into_iter().find(|entry| entry.path.is_some())
            };
            if known.as_ref().is_some_and(|known| !known.contains(need.name)) {
                let provider = provider().map(|entry| entry.name.to_text().into_owned());
                self.missing.push(MissingSymbol { name: text(need.name), provider });
            } else if need.crc != 0
                && let Some(entry) = provider()
                && let Some(crc) = entry.path.as_deref().and_then(|path| exported_crc(path, need.name))
                && crc != need.crc
            {
                let provider = entry.name.to_text().into_owned();
                self.changed.push(ChangedSymbol { name: text(need.name), provider });
            }
        }
        Ok(())
    }
}

/// The error numbers that symbols can be the cause of.
fn symbols_matter(errno: i32) -> bool {
    [Errno::NOENT, Errno::NOEXEC, Errno::INVAL].contains(&Errno::from_raw_os_error(errno))
}

fn read_needs(
    image: &Image<'_>,
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
) -> Result<symbols::Needs, ReadError> {
    let mut needs = symbols::Needs::default();
    symbols::needs(image, layout, table, &mut NeedsScratch::default(), &mut needs)?;
    Ok(needs)
}

fn exported_crc(path: &Path, symbol: &[u8]) -> Option<u64> {
    let file = file::open(path).ok()?;
    let mut file_buffers = Buffers::default();
    let image = file::image(&file, &mut file_buffers).ok()?;
    let mut names = Default::default();
    let layout = Layout::read(&image, &mut names).ok()?;
    let mut buffers = Default::default();
    let table = SymbolTable::read(&image, &layout, &mut buffers).ok()?;
    let mut exports = Exports::default();
    symbols::exports(&image, &layout, &table, &mut exports).ok()?;
    exports.iter().find(|export| export.name == symbol && export.crc != 0).map(|export| export.crc)
}

/// The names in the text of `/proc/kallsyms`: the third word of each line.
fn kernel_symbols(text: &[u8]) -> std::collections::HashSet<&[u8]> {
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(|line| line.split(u8::is_ascii_whitespace).nth(2)).collect()
}

impl SystemFacts {
    /// Reads what the system says. What cannot be read stays unknown.
    #[must_use]
    pub fn gather(places: &Places) -> Self {
        let uname = rustix::system::uname();
        let enforced = fs::read(places.sys_module().join("module/parameters/sig_enforce")).ok();
        let lockdown = fs::read_to_string(places.sys.join("kernel/security/lockdown")).unwrap_or_default();
        Self {
            release: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            kernel_command_line: kernel_command_line(places),
            enforces_signatures: enforced.map(|text| text.starts_with(b"Y")),
            lockdown: chosen(&lockdown).filter(|state| *state != "none").map(str::to_owned),
        }
    }
}

/// The text of the kernel's command line, empty if it cannot be read.
#[must_use]
pub fn kernel_command_line(places: &Places) -> Vec<u8> {
    fs::read(places.proc.join("cmdline")).unwrap_or_default()
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(state, _)| state)
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

    #[test]
    fn a_file_says_what_it_was_built_for_and_which_symbols_are_missing_or_changed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let module = Module::new("a").info("vermagic=6.1.0 SMP").versioned_need("here", 1).need("gone");
        let module = module.versioned_need("other_crc", 2).need("in_b").weak_need("weak");
        fs::write(at("a.ko"), module.signed(fixtures::Signature::pkcs7(b"der")).bytes()).unwrap();
        fs::write(at("b.ko"), Module::new("b").export("in_b", 5).export("other_crc", 6).bytes()).unwrap();
        fs::write(at("modules.dep"), "a.ko:\nb.ko:\n").unwrap();
        fs::write(at("modules.symbols"), "alias symbol:in_b b\nalias symbol:other_crc b\n").unwrap();
        fs::write(at("kallsyms"), "0 T here\n0 t x [y]\n0 D other_crc\t[b]\n").unwrap();
        let db = ModuleDb::new(ModuleDir::at(directory.path().into()), Config::default());
        let places = Places { proc: directory.path().into(), ..Places::of_system() };
        let facts = FileFacts::gather(2, &"a".into(), &at("a.ko"), &db, &places);
        assert_eq!(facts.vermagic.as_deref(), Some("6.1.0 SMP"));
        assert_eq!((facts.is_signed, facts.shown.as_str()), (Some(true), "a.ko"));
        assert!(facts.machine.is_some());
        let missing = |name: &str, provider: Option<&str>| MissingSymbol {
            name: name.into(),
            provider: provider.map(str::to_owned),
        };
        assert_eq!(facts.missing, [missing("gone", None), missing("in_b", Some("b"))]);
        assert_eq!(facts.changed, [ChangedSymbol { name: "other_crc".into(), provider: "b".into() }]);
    }

    #[test]
    fn what_cannot_be_read_stays_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let db = ModuleDb::new(ModuleDir::at(directory.path().into()), Config::default());
        let places = Places { proc: directory.path().into(), ..Places::of_system() };
        let facts = FileFacts::gather(2, &"a".into(), &directory.path().join("a.ko"), &db, &places);
        let nothing =
            FileFacts { errno: 2, module: "a".into(), shown: "a.ko".into(), ..FileFacts::default() };
        assert_eq!(facts, nothing);
    }

    #[test]
    fn the_state_of_lockdown_stands_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("[none] integrity confidentiality\n"), Some("none"));
        assert_eq!(chosen(""), None);
    }
}
