//! `depmod -A`: whether anything has to be done.
//!
//! The question is answered without reading a module. The database has to be there and whole, its `modules.dep` has to
//! name the modules that are there, and nothing it was made of may have changed since that was written: no module by
//! its time, or by the time of its last change, which a file keeps that was replaced by an older one; and no file of
//! the configuration.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use modcli::Severity;
use moddb::build::again::{self, Texts};
use moddb::build::outputs::{self, OutputKind, Recipe};
use moddb::config::files::Reach;
use modfile::name::suffix_len;
use rustix::fs::{Dir, FileType, OFlags, Stat};

use crate::input::LONGEST_INPUT;
use crate::inside::Inside;
use crate::listings::Listings;
use crate::messages::{self, Say, Silent};
use crate::output::{OutputDirectory, REFERENCE};
use crate::parallel::{self, Spread};
use crate::source::ModuleSource;
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
    /// The files and directories of depmod.d.
    pub config_paths: &'a [PathBuf],
    /// How much is looked at at a time.
    pub jobs: Option<NonZero<usize>>,
}

/// A file of the database as it is there.
struct Found {
    name: &'static str,
    kind: OutputKind,
    bytes: Vec<u8>,
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
        let Some(text) = self.read(REFERENCE) else { return false };
        self.names_all(&text, &reference) && (self.is_as_published(&reference) || self.agrees(&text))
    }

    /// Whether nothing happened to any file of the database since the last one, which is `modules.dep`, got its name.
    fn is_as_published(&self, reference: &Stat) -> bool {
        // depmod sets its time to when it began. Whoever writes into it leaves both times the same.
        let modified = (reference.st_mtime, i64::try_from(reference.st_mtime_nsec).unwrap_or_default());
        modified != changed(reference)
            && outputs::recipes().all(|recipe| {
                let stat = self.output.stat(recipe.name);
                stat.is_ok_and(|stat| {
                    let may_be_empty = ["modules.dep", "modules.devname"].contains(&recipe.name);
                    FileType::from_raw_mode(stat.st_mode).is_file()
                        && changed(&stat) <= changed(reference)
                        && (may_be_empty || stat.st_size > 0)
                })
            })
    }

    /// Whether the files of the database say the same. That takes longer.
    fn agrees(&self, dependencies: &[u8]) -> bool {
        let read = |recipe: Recipe| {
            Some(Found { name: recipe.name, kind: recipe.kind, bytes: self.read(recipe.name)? })
        };
        let Some(files) = outputs::recipes().map(read).collect::<Option<Vec<Found>>>() else { return false };
        let inputs = ["modules.builtin", "modules.builtin.modinfo"]
            .map(|name| self.input.read(Path::new(name), Absolute::System, LONGEST_INPUT).ok());
        let [builtin, builtin_modinfo] = &inputs;
        let text = |name| files.iter().find(|file| file.name == name).map_or(&[][..], |file| &file.bytes);
        let texts = Texts {
            dependencies,
            aliases: text("modules.alias"),
            symbols: text("modules.symbols"),
            builtin: builtin.as_deref(),
            builtin_modinfo: builtin_modinfo.as_deref(),
        };
        let spread = Spread { jobs: self.jobs, batch: 1, in_between: None };
        let is_whole =
            |number: usize, (): &mut ()| files.get(number).is_some_and(|file| is_whole(file, &texts));
        parallel::map(files.len(), spread, is_whole).into_iter().all(|whole| whole)
    }

    /// A file of the database.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.output.tree().read(Path::new(name), Absolute::System, LONGEST).ok()
    }

    fn is_config_newer(&self, reference: &Stat) -> bool {
        let reach = Inside(self.input.root());
        let is_newer =
            |path: &Path| reach.stat(path).is_ok_and(|stat| microseconds(&stat) > microseconds(reference));
        self.config_paths.iter().any(|path| {
            let directory = reach.open(path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new);
            let names = directory.into_iter().flatten().flatten().map(|entry| entry.file_name().to_owned());
            is_newer(path)
                || names.into_iter().any(|name| is_newer(&path.join(OsStr::from_bytes(name.to_bytes()))))
        })
    }

    /// Whether the modules that `modules.dep` names are those that are there, none of them newer.
    fn names_all(&self, text: &[u8], reference: &Stat) -> bool {
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let paths = lines.filter_map(|line| line.split(|&byte| byte == b':').next());
        let mut missing: HashSet<&[u8], RandomState> = paths.collect();
        let mut is_current = text.is_empty() || text.ends_with(b"\n");
        let mut faults = Faults::default();
        // compat: what depmod.d excludes counts here anyway (case depmod/exclude-and-quick).
        let mut listings = Listings::default();
        Walk::new(self.input, &[], &mut listings, &Silent, &mut faults).run(&mut |relative, _| {
            let bytes = relative.as_os_str().as_bytes();
            if suffix_len(bytes).is_none() {
                return true;
            }
            // One that modules.dep does not name was left out when that was made, or it has changed since.
            missing.remove(bytes);
            let stat = ModuleSource::inside(self.input, relative).stat();
            is_current &= stat.is_ok_and(|stat| is_older(&stat, reference));
            is_current
        });
        let is_external = |path: &&[u8]| {
            let path = Path::new(OsStr::from_bytes(path));
            let Some(root) = self.input.root() else {
                return path.has_root()
                    && rustix::fs::stat(path).is_ok_and(|stat| is_older(&stat, reference));
            };
            path.has_root() && root.stat(path).is_ok_and(|stat| is_older(&stat, reference))
        };
        is_current && faults == Faults::default() && missing.iter().all(is_external)
    }
}

/// Whether a file of the database is what depmod wrote, as far as the others tell.
fn is_whole(file: &Found, texts: &Texts<'_>) -> bool {
    let bytes = &file.bytes;
    let has_lines = |first: &[u8], word: &[u8]| {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        lines.next().is_none_or(|line| line.starts_with(first) && line.ends_with(b"\n"))
            && lines.all(|line| line.starts_with(word) && line.ends_with(b"\n"))
    };
    match (file.kind, file.name) {
        (OutputKind::Binary, name) => again::index(name, texts).is_some_and(|expected| expected == *bytes),
        (OutputKind::Text, "modules.dep") => has_lines(b"", b""),
        (OutputKind::Text, "modules.devname") => has_lines(b"#", b""),
        (OutputKind::Text, "modules.softdep") => !bytes.is_empty() && has_lines(b"#", b"softdep "),
        (OutputKind::Text, "modules.weakdep") => !bytes.is_empty() && has_lines(b"#", b"weakdep "),
        (OutputKind::Text, _) => !bytes.is_empty() && has_lines(b"#", b"alias "),
    }
}

/// Whether nothing happened to a file after another one was written.
fn is_older(stat: &Stat, reference: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
        && microseconds(stat) <= microseconds(reference)
        && changed(stat) <= changed(reference)
}

/// When anything of a file changed last.
fn changed(stat: &Stat) -> (i64, i64) {
    (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or_default())
}

/// A file's time of modification in microseconds since 1970.
fn microseconds(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
    stat.st_mtime.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}
