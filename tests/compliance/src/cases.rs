//! The small cases: each is run on ours and on both references in fresh, equal root directories.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use reference::Release;

use crate::case::Case;
use crate::observe::{Observation, observe};
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};
use crate::{compare, parallel, render};

/// Whether written-down differences are checked, or written anew to be read by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// They must hold.
    Check,
    /// They are replaced by what was seen.
    Write,
}

/// Runs all cases below `directory` whose names contain `only`; gives a tally for each reference.
pub fn run(
    subjects: &Subjects,
    directory: &Path,
    only: &str,
    records: Records,
) -> Result<Vec<(Release, Tally)>> {
    let mut cases = Vec::new();
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        entries.push(entry?.path());
    }
    entries.sort();
    for entry in entries {
        let case = Case::read(&entry)?;
        if case.name.contains(only) {
            cases.push(case);
        }
    }
    ensure!(!cases.is_empty() || !only.is_empty(), "{}: no cases", directory.display());
    let results = parallel::map(&cases, |case| one(subjects, case, records));
    let mut tallies: Vec<(Release, Tally)> = Release::ALL.map(|release| (release, Tally::default())).to_vec();
    for (case, verdicts) in cases.iter().zip(results) {
        let verdicts = verdicts.unwrap_or_else(|error| {
            Release::ALL.map(|release| (release, Verdict::Failed(format!("{error:#}")))).to_vec()
        });
        for ((release, tally), (_, verdict)) in tallies.iter_mut().zip(&verdicts) {
            tally.add(&format!("{} against {release}", case.name), verdict);
        }
    }
    Ok(tallies)
}

fn one(subjects: &Subjects, case: &Case, records: Records) -> Result<Vec<(Release, Verdict)>> {
    let temporary = tempfile::tempdir()?;
    // The roots' paths are equally long, as offsets in an index depend on the paths in it.
    let ours = observe(case, subjects, &subjects.ours, &temporary.path().join("root-xx"))?;
    let mut verdicts = Vec::new();
    for (release, program) in &subjects.references {
        let root = temporary.path().join(format!("root-{}", release.number()));
        let theirs = observe(case, subjects, program, &root)?;
        let verdict = silence(case, &theirs)
            .and_then(|()| judge(case, *release, &ours, &theirs, records))
            .unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
        verdicts.push((*release, verdict));
    }
    Ok(verdicts)
}

/// A reference that does nothing proves nothing, unless that is what the case is about.
fn silence(case: &Case, theirs: &[Observation]) -> Result<()> {
    let silent = |one: &Observation| one.stdout.is_empty() && one.stderr.is_empty() && one.changes.is_empty();
    let all_silent = theirs.iter().all(silent);
    ensure!(all_silent == case.silent, "the reference has {} where the case says otherwise", {
        if all_silent { "done nothing" } else { "done something" }
    });
    Ok(())
}

fn judge(
    case: &Case,
    release: Release,
    ours: &[Observation],
    theirs: &[Observation],
    records: Records,
) -> Result<Verdict> {
    let difference = compare::difference(ours, theirs, release, case.free_stdout)?;
    let theirs_name = format!("kmod-{}", release.number());
    if case.difference(release).is_none() {
        let stale = case.directory.join(&theirs_name);
        ensure!(!stale.exists(), "{} is there, but no difference is said to be intended", stale.display());
        return Ok(difference.map_or(Verdict::Equal, Verdict::Failed));
    }
    if difference.is_none() {
        return Ok(Verdict::Failed("said to differ, but is equal".to_owned()));
    }
    for (name, seen) in [("ours", ours), (theirs_name.as_str(), theirs)] {
        let path = case.directory.join(name);
        let seen = render::observations(seen, case.free_stdout);
        if records == Records::Write {
            fs::write(&path, &seen)?;
        }
        let written = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        if written != seen {
            let at = written.lines().zip(seen.lines()).position(|(one, other)| one != other);
            let line = at.unwrap_or_else(|| written.lines().count().min(seen.lines().count()));
            let show = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
            return Ok(Verdict::Failed(format!(
                "not as written in {name}, line {}:\n    written {}\n    seen    {}",
                line + 1,
                show(&written),
                show(&seen)
            )));
        }
    }
    Ok(Verdict::DifferentByIntent)
}
