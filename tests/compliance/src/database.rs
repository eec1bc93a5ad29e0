//! A real kernel's modules with a database, in a root directory of its own, and the questions that are asked about it.

use std::path::PathBuf;

use anyhow::Result;
use reference::{Cache, Kernel, Release};

use crate::parallel;
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};

/// The modules of the kernel that setup brought.
pub struct Database {
    /// The kernel.
    pub kernel: Kernel,
    /// The module directory.
    pub directory: PathBuf,
    root: tempfile::TempDir,
}

impl Database {
    /// Lays the modules out and has kmod 34 build their database. Without a kernel `Err` holds why, for a tally.
    pub fn build(subjects: &Subjects, cache: &Cache) -> Result<Result<Self, Verdict>> {
        let kernel = match cache.kernel() {
            Ok(kernel) => kernel,
            Err(error) => return Ok(Err(Verdict::Skipped(format!("{error:#}")))),
        };
        let root = tempfile::tempdir()?;
        kernel.lay_out(&kernel.modules(), root.path())?;
        subjects.build_database(root.path(), &kernel.version)?;
        let directory = root.path().join("lib/modules").join(&kernel.version);
        Ok(Ok(Self { kernel, directory, root }))
    }

    /// The root directory.
    pub fn root(&self) -> &std::path::Path {
        self.root.path()
    }
}

/// Asks ours and kmod 34 all questions; `name` says in a tally which one it was.
pub fn ask_all<Q: Sync>(
    subjects: &Subjects,
    questions: &[Q],
    name: impl Fn(&Q) -> String,
    compare: impl Fn(&Q, &reference::Program) -> Result<Verdict> + Sync,
) -> Result<Tally> {
    let theirs = subjects.reference(Release::Kmod34)?;
    let verdicts = parallel::map(questions, |question| {
        compare(question, theirs).unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")))
    });
    let mut tally = Tally::default();
    for (question, verdict) in questions.iter().zip(verdicts) {
        tally.add(&name(question), &verdict);
    }
    Ok(tally)
}
