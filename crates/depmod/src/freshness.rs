//! `depmod -A`: whether anything has to be done.
//!
//! The question is answered without reading a module. The database has to be there and whole, its `modules.dep` has to
//! name the modules that are there, and nothing it was made of may have changed since that was written: no module by
//! its time, or by the time of its last change, which a file keeps that was replaced by an older one; and no file of
//! the configuration.

use std::collections::HashSet;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modcli::Severity;
use moddb::build::again::{self, Texts};
use moddb::build::outputs::{self, Kind, Output, Recipe};
use moddb::config::depmod::DepmodConfig;
use modfile::ModuleName;
use modfile::name::suffix_len;
use rustix::fs::{FileType, Stat};

use crate::messages::{self, Say, Silent};
use crate::parallel::{self, Spread};
use crate::pipeline::LONGEST_INPUT;
use crate::publish::{OutputDirectory, REFERENCE};
use crate::source::{LastDirectory, ModuleSource};
use crate::tree::{Absolute, Tree};
use crate::walk::{Faults, Walk};

/// The longest file of a database that is looked at, in bytes.
const LONGEST: usize = 512 << 20;

/// What a database is compared with.
pub struct Quick<'a> {
    /// The module directory.
    pub input: &'a Arc<Tree>,
    /// The database's directory.
    pub output: &'a OutputDirectory,
    /// What depmod.d says.
    pub config: &'a DepmodConfig,
    /// The files and directories in which it says that.
    pub config_paths: &'a [PathBuf],
    /// How much is looked at at a time.
    pub jobs: Option<NonZero<usize>>,
}

impl Quick<'_> {
    /// Whether a run would make the database that is there.
    #[must_use]
    pub fn is_current(&self, say: &dyn Say) -> bool {
        let reference = match self.output.tree().stat(Path::new(REFERENCE)) {
            Ok(stat) => stat,
            Err(error) => {
                say.say(Severity::Error, messages::no_reference(self.output.tree().path(), &error.into()));
                return false;
            }
        };
        if self.is_config_newer(&reference) {
            return false;
        }
        let Some(files) = self.files() else { return false };
        let inputs = ["modules.builtin", "modules.builtin.modinfo"]
            .map(|name| self.input.read(Path::new(name), Absolute::System, LONGEST_INPUT).ok());
        let [builtin, builtin_modinfo] = &inputs;
        let text = |name| files.iter().find(|file| file.name == name).map_or(&[][..], |file| &file.bytes);
        let texts = Texts {
            dependencies: text(REFERENCE),
            aliases: text("modules.alias"),
            symbols: text("modules.symbols"),
            builtin: builtin.as_deref(),
            builtin_modinfo: builtin_modinfo.as_deref(),
        };
        let spread = Spread { jobs: self.jobs, batch: 1 };
        self.names_all(texts.dependencies, &reference)
            && parallel::map(files.len(), spread, |number, ()| {
                files.get(number).is_some_and(|file| is_whole(file, &texts))
            })
            .into_iter()
            .all(|whole| whole)
    }

    /// All files of the database, if they are there.
    fn files(&self) -> Option<Vec<Output>> {
        let read = |recipe: Recipe| {
            let file = Path::new(recipe.name);
            let bytes = self.output.tree().read(file, Absolute::System, LONGEST).ok()?;
            Some(Output { name: recipe.name, kind: recipe.kind, bytes })
        };
        outputs::recipes().map(read).collect()
    }

    fn is_config_newer(&self, reference: &Stat) -> bool {
        let is_newer = |path: &Path| {
            rustix::fs::stat(path).is_ok_and(|stat| microseconds(&stat) > microseconds(reference))
        };
        self.config_paths.iter().any(|path| {
            let files = std::fs::read_dir(path).into_iter().flatten().flatten();
            is_newer(path) || files.map(|file| file.path()).any(|file| is_newer(&file))
        })
    }

    /// Whether the modules that `modules.dep` names are those that are there, none of them newer.
    fn names_all(&self, text: &[u8], reference: &Stat) -> bool {
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let mut missing = HashSet::new();
        let mut names = HashSet::new();
        for line in lines {
            let Some(path) = line.split(|&byte| byte == b':').next() else { continue };
            names.insert(ModuleName::of_path(path));
            missing.insert(path);
        }
        let mut last = LastDirectory::default();
        let mut is_current = text.is_empty() || text.ends_with(b"\n");
        let mut faults = Faults::default();
        // compat: what depmod.d excludes counts here anyway (case depmod/exclude-and-quick).
        Walk::new(self.input, &[], &Silent, &mut faults).run(&mut |relative| {
            let bytes = relative.as_os_str().as_bytes();
            if suffix_len(bytes).is_none() {
                return true;
            }
            let stat = last.stat(&ModuleSource::inside(self.input, relative));
            let is_old = stat.is_ok_and(|stat| is_older(&stat, reference));
            let is_known = missing.remove(bytes)
                || names.contains(&ModuleName::of_path(bytes))
                || self.is_excluded(relative);
            is_current &= is_old && is_known;
            is_current
        });
        let is_external = |path: &&[u8]| {
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            path.has_root() && rustix::fs::stat(path).is_ok_and(|stat| is_older(&stat, reference))
        };
        is_current && faults == Faults::default() && missing.iter().all(is_external)
    }

    fn is_excluded(&self, relative: &Path) -> bool {
        relative.iter().any(|part| self.config.excludes.iter().any(|name| name == part.as_bytes()))
    }
}

/// Whether a file of the database is what depmod wrote, as far as the others tell.
fn is_whole(file: &Output, texts: &Texts<'_>) -> bool {
    let bytes = &file.bytes;
    let has_lines = |first: &[u8], word: &[u8]| {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        lines.next().is_none_or(|line| line.starts_with(first) && line.ends_with(b"\n"))
            && lines.all(|line| line.starts_with(word) && line.ends_with(b"\n"))
    };
    match (file.kind, file.name) {
        (Kind::Binary, name) => again::index(name, texts).is_some_and(|expected| expected == *bytes),
        (Kind::Text, "modules.dep") => has_lines(b"", b""),
        (Kind::Text, "modules.devname") => has_lines(b"#", b""),
        (Kind::Text, "modules.softdep") => !bytes.is_empty() && has_lines(b"#", b"softdep "),
        (Kind::Text, "modules.weakdep") => !bytes.is_empty() && has_lines(b"#", b"weakdep "),
        (Kind::Text, _) => !bytes.is_empty() && has_lines(b"#", b"alias "),
    }
}

/// Whether nothing happened to a file after another one was written.
fn is_older(stat: &Stat, reference: &Stat) -> bool {
    let changed = |stat: &Stat| (stat.st_ctime, stat.st_ctime_nsec);
    FileType::from_raw_mode(stat.st_mode).is_file()
        && microseconds(stat) <= microseconds(reference)
        && changed(stat) <= changed(reference)
}

/// A file's time of modification in microseconds since 1970.
fn microseconds(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
    stat.st_mtime.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}
