//! Whether the database that is there is the one that a run would make.
//!
//! A database is made of what modules say, in their order, of two files of the kernel's build, and of a few options.
//! If the modules are those that were remembered, and none of the files changed since all of it agreed, there is
//! nothing to make: neither to write nor to compare. Files are known by their [stamps](crate::stamps); only stamps that are
//! believed count. This is remembered by a run that made the files and found each of them in place, and that had
//! nothing to report, since a run that makes nothing reports nothing.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use moddb::build::outputs;
use moddb::cache::{Database, Stamp};
use rustix::fs::OFlags;

use crate::output::{self, OutputDirectory};
use crate::paths;
use crate::request::Request;
use crate::source::ModuleSource;
use crate::stamps::{self, Judged, Looks};
use crate::summary::Counts;
use crate::tree::Tree;

/// The files of the kernel's build that are a part of the database.
pub(crate) const INPUTS: [&str; 2] = ["modules.builtin", "modules.builtin.modinfo"];

/// The files of a database, and what it is made of beside modules.
pub(crate) struct Files {
    /// Just before they were looked at.
    looked: SystemTime,
    files: Vec<Judged>,
    circumstances: Vec<u8>,
}

impl Files {
    /// Looks at all of them; `None` if one is missing or not as it should be, or the program cannot tell which one it
    /// is.
    pub(crate) fn look(
        request: &Request,
        input: &Arc<Tree>,
        output: &OutputDirectory,
        ahead: Duration,
    ) -> Option<Self> {
        let looked = stamps::now(ahead);
        let mut looks = Looks::default();
        let mut files = Vec::new();
        for name in INPUTS {
            files.push(looks.state(&ModuleSource::inside(input, Path::new(name)))?);
        }
        for recipe in outputs::recipes() {
            let stat = output.stat(recipe.name).ok().filter(output::is_as_published)?;
            let open = || output.tree().open_at(Path::new(recipe.name), OFlags::PATH | OFlags::NOFOLLOW).ok();
            files.push(looks.judge(&stat, open)?);
        }
        let are_believed = files.iter().all(Judged::is_believed);
        let circumstances = circumstances(request)?;
        are_believed.then_some(Self { looked, files, circumstances })
    }

    /// Whether these files are still those of a database.
    pub(crate) fn are(&self, database: &Database) -> bool {
        database.circumstances == self.circumstances
            && database.files.len() == self.files.len()
            && self.files.iter().zip(&database.files).all(|(judged, remembered)| judged.stamp == *remembered)
    }

    /// What a later run may remember, if a change from the moment on at which they were looked at would show.
    pub(crate) fn to_remember(&self, counts: Counts) -> Option<Database> {
        let files: Vec<Stamp> = self.files.iter().map(|judged| judged.stamp).collect();
        let are_over = self.files.iter().all(|judged| judged.was_over(self.looked));
        are_over.then(|| Database {
            aliases: counts.aliases as u64,
            symbols: counts.symbols as u64,
            circumstances: self.circumstances.clone(),
            files,
        })
    }
}

/// What else a database depends on: the program that makes it, and options.
fn circumstances(request: &Request) -> Option<Vec<u8>> {
    let program = std::fs::metadata(paths::PROGRAM).ok()?;
    let text = format!(
        "{} {} {} {} {}.{} {:?} {}",
        env!("CARGO_PKG_VERSION"),
        program.dev(),
        program.ino(),
        program.size(),
        program.mtime(),
        program.mtime_nsec(),
        request.symbol_prefix,
        request.warn,
    );
    Some(text.into_bytes())
}
