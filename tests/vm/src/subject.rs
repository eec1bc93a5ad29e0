//! A set of tools under test: files of a directory, with the loader and the libraries that dynamic ones need.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use suite::TOOLS;

/// Where a directory may hold programs.
const PROGRAM_DIRECTORIES: [&str; 4] = ["", "usr/sbin", "sbin", "bin"];
/// Where a directory may hold libraries.
const LIBRARY_DIRECTORIES: [&str; 4] =
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib64"];
/// Libraries that programs open by themselves, without saying so in their dynamic section.
const OPENED_LIBRARIES: [&str; 4] = ["liblzma.so.5", "libzstd.so.1", "libz.so.1", "libcrypto.so.3"];

/// A set of tools.
#[derive(Debug)]
pub struct Subject {
    /// The files of the tools, by name.
    pub tools: BTreeMap<&'static str, PathBuf>,
    /// The loader of dynamic tools: its place in the guest, and the file.
    pub loader: Option<(String, PathBuf)>,
    /// The libraries of dynamic tools, by the names under which they are looked for.
    pub libraries: BTreeMap<String, PathBuf>,
}

impl Subject {
    /// Finds the tools in a directory that holds them directly, or that is the root of a system.
    ///
    /// # Errors
    /// When a tool or a library is missing or no x86-64 ELF file.
    pub fn find(root: &Path) -> Result<Self> {
        let mut subject = Self { tools: BTreeMap::new(), loader: None, libraries: BTreeMap::new() };
        for tool in TOOLS {
            let path = search(root, &PROGRAM_DIRECTORIES, tool)
                .with_context(|| format!("{} holds no {tool}", root.display()))?;
            subject.add_needs(root, &path)?;
            subject.tools.insert(tool, path);
        }
        if subject.loader.is_some() {
            for library in OPENED_LIBRARIES {
                if let Some(path) = search(root, &LIBRARY_DIRECTORIES, library) {
                    subject.add_library(root, library, path)?;
                }
            }
        }
        Ok(subject)
    }

    /// A command that runs one of the tools on this machine, with its own loader and libraries.
    ///
    /// # Errors
    /// When the subject has no such tool.
    pub fn command(&self, tool: &str) -> Result<Command> {
        let path = self.tools.get(tool).with_context(|| format!("the subject has no {tool}"))?;
        let Some((_, loader)) = &self.loader else { return Ok(Command::new(path)) };
        let mut directories: Vec<OsString> = Vec::new();
        for directory in self.libraries.values().filter_map(|library| library.parent()) {
            if !directories.iter().any(|known| known == directory) {
                directories.push(directory.into());
            }
        }
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(directories.join(":".as_ref()));
        command.args(["--argv0", tool]).arg(path);
        Ok(command)
    }

    fn add_library(&mut self, root: &Path, name: &str, path: PathBuf) -> Result<()> {
        if self.libraries.insert(name.to_owned(), path.clone()).is_none() {
            self.add_needs(root, &path)?;
        }
        Ok(())
    }

    fn add_needs(&mut self, root: &Path, path: &Path) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let needs = needs(&bytes).with_context(|| format!("{}", path.display()))?;
        if let Some(place) = needs.loader {
            let name = place.rsplit('/').next().unwrap_or_default().to_owned();
            let file = search(root, &LIBRARY_DIRECTORIES, &name)
                .with_context(|| format!("{} holds no {name}", root.display()))?;
            self.loader = Some((place, file));
        }
        for name in needs.libraries {
            let library = search(root, &LIBRARY_DIRECTORIES, &name)
                .with_context(|| format!("{} holds no {name}", root.display()))?;
            self.add_library(root, &name, library)?;
        }
        Ok(())
    }
}

/// How many links may follow each other.
const LINKS: usize = 16;

/// The file of that name in one of the directories below `root`, links resolved.
fn search(root: &Path, directories: &[&str], name: &str) -> Option<PathBuf> {
    directories.iter().find_map(|directory| resolve(root, root.join(directory).join(name)))
}

/// The file that `path` stands for. An absolute link in an unpacked package means a file of the package, not
/// one of this machine.
fn resolve(root: &Path, mut path: PathBuf) -> Option<PathBuf> {
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else { return path.is_file().then_some(path) };
        path = match target.strip_prefix("/") {
            Ok(inside) => root.join(inside),
            Err(_) => path.parent()?.join(target),
        };
    }
    None
}

#[derive(Default)]
struct Needs {
    loader: Option<String>,
    libraries: Vec<String>,
}

/// The loader and the libraries that an ELF file names.
fn needs(bytes: &[u8]) -> Result<Needs> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    if header.e_machine(endian) != object::elf::EM_X86_64 {
        bail!("not a file for x86-64");
    }
    let mut needs = Needs::default();
    for segment in header.program_headers(endian, bytes)? {
        if segment.p_type(endian) == PT_INTERP {
            let place = segment.data(endian, bytes).ok().and_then(|place| place.strip_suffix(&[0]));
            needs.loader = Some(String::from_utf8(place.context("unreadable loader")?.to_vec())?);
        }
    }
    let sections = header.sections(endian, bytes)?;
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED) {
            let offset = u32::try_from(entry.d_val(endian))?;
            let name = strings.get(offset).ok().context("unreadable library name")?;
            needs.libraries.push(String::from_utf8(name.to_vec())?);
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader_and_libraries() {
        let this = fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs(&this).unwrap();
        assert!(needs.loader.is_some_and(|loader| loader.contains("ld-linux")));
        assert!(needs.libraries.iter().any(|name| name == "libc.so.6"), "{:?}", needs.libraries);
    }

    #[test]
    fn a_script_is_refused_with_its_name() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("modprobe"), "#!/bin/sh\n").unwrap();
        let error = Subject::find(root.path()).unwrap_err();
        assert!(format!("{error:#}").contains("modprobe"), "{error:#}");
    }

    #[test]
    fn absolute_links_of_an_unpacked_package_stay_inside_of_it() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["bin", "sbin"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("bin/sh"), "").unwrap();
        std::os::unix::fs::symlink("/bin/sh", root.path().join("sbin/modprobe")).unwrap();
        std::os::unix::fs::symlink("loop", root.path().join("sbin/loop")).unwrap();
        assert_eq!(search(root.path(), &["sbin"], "modprobe"), Some(root.path().join("bin/sh")));
        assert_eq!(search(root.path(), &["sbin"], "loop"), None);
    }

    #[test]
    fn a_missing_tool_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::copy(std::env::current_exe().unwrap(), root.path().join("modprobe")).unwrap();
        let error = format!("{:#}", Subject::find(root.path()).unwrap_err());
        assert!(error.contains("holds no"), "{error}");
    }
}
