//! A whole run: selects scenarios, prepares what the boots share, boots the groups, prints the results.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reference::Cache;
use vm_guest::catalog::{GROUPS, Group, Passes, Scenario};
use vm_guest::world::Subject as Kind;

use crate::cli::{Options, Request};
use crate::image::{self, Parts};
use crate::kernel::Kernel;
use crate::machine::{self, Ending, Heard, Limits};
use crate::modules::Tree;
use crate::subject::Subject;
use crate::verdict::{self, Outcome, Verdict};
use crate::{database, guest};

/// How long a machine may take from its start to its first report, however busy the host is.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// Does what is asked for; gives whether everything that ran passed.
///
/// # Errors
/// When nothing could be run.
pub fn run(request: &Request) -> Result<bool> {
    match request {
        Request::List(selection) => list(selection),
        Request::Run(options) => run_selected(options),
    }
}

/// Shows an error that ends the run.
pub fn complain(error: &anyhow::Error) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr(), "vm: {error:#}");
}

/// A group and those of its scenarios that are to run.
type Selected = (&'static Group, Vec<&'static Scenario>);

fn select(selection: &[String]) -> Result<Vec<Selected>> {
    let mut selected = Vec::new();
    for group in GROUPS {
        let wanted = |scenario: &&Scenario| {
            let name = group.full_name(scenario);
            selection.is_empty() && group.by_default
                || selection
                    .iter()
                    .any(|word| word == group.name || word.contains('/') && name.contains(&**word))
        };
        let scenarios: Vec<_> = group.scenarios.iter().filter(wanted).collect();
        if !scenarios.is_empty() {
            selected.push((group, scenarios));
        }
    }
    ensure!(!selected.is_empty(), "no scenario is called {}; see --list", selection.join(" or "));
    Ok(selected)
}

fn list(selection: &[String]) -> Result<bool> {
    let mut out = io::stdout().lock();
    for (group, scenarios) in select(selection)? {
        for scenario in scenarios {
            let mark = if scenario.passes == Passes::OursOnly { "  (ours only)" } else { "" };
            writeln!(out, "{}{mark}", group.full_name(scenario))?;
        }
    }
    Ok(true)
}

fn run_selected(options: &Options) -> Result<bool> {
    let selected = select(&options.selection)?;
    let scratch = tempfile::tempdir()?;
    let parts = prepare(options, scratch.path())?;
    let bootable = parts.kernel.bootable(&guest::target_dir().join("vm"))?;
    let queue = Mutex::new(selected.into_iter());
    let totals = Mutex::new(Totals::default());
    let worker = || -> Result<()> {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some((group, scenarios)) = next else { return Ok(()) };
            let (verdicts, heard, size) = run_group(&parts, &bootable, scratch.path(), group, &scenarios)?;
            // Printed under the lock, so that the lines of a group stay together.
            if let Ok(mut totals) = totals.lock() {
                totals.add(&verdicts);
                if options.transcript && is_story(&verdicts, heard.as_ref()) {
                    print_notes(&mut io::stdout().lock(), &verdicts)?;
                    continue;
                }
                print_group(&mut io::stdout().lock(), group, &verdicts, &heard, size, options.verbose)?;
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow::anyhow!("a worker of the harness panicked"))?
        })
    })?;
    let totals = totals.into_inner().unwrap_or_default();
    if !options.transcript || totals.failed > 0 {
        totals.print(&mut io::stdout().lock())?;
    }
    Ok(totals.failed == 0 && totals.passed > 0)
}

fn prepare(options: &Options, scratch: &Path) -> Result<Parts> {
    let kernel = match &options.kernel {
        Some(root) => Kernel::find(root)?,
        None => Kernel::find(&Cache::of_user()?.kernel_root())?,
    };
    let mut subjects = vec![Subject::find(&options.subject)?];
    if let Some(root) = &options.against {
        subjects.push(Subject::find(root)?);
    }
    let first = subjects.first().context("there is no subject")?;
    let made = database::build(first, &kernel, scratch)?;
    let shell = match &options.shell {
        Some(shell) => shell.clone(),
        None => Cache::of_user()?.directory().join("busybox/bin/busybox"),
    };
    ensure!(
        shell.is_file(),
        "{} is not there: unpack Debian's busybox-static, or name one with --busybox",
        shell.display()
    );
    Ok(Parts {
        tree: Tree::list(&kernel.modules_dir())?,
        database: made,
        init: guest::build()?,
        shell,
        subjects,
        kind: if options.reference { Kind::Reference } else { Kind::Ours },
        kernel,
    })
}

/// Boots one group; gives its verdicts, what was heard, and the size of the image.
fn run_group(
    parts: &Parts,
    bootable: &Path,
    scratch: &Path,
    group: &Group,
    scenarios: &[&'static Scenario],
) -> Result<(Vec<Verdict>, Option<Heard>, usize)> {
    let can_pass = |scenario: &&&Scenario| parts.kind == Kind::Ours || scenario.passes == Passes::Any;
    let runnable: Vec<&Scenario> = scenarios.iter().filter(can_pass).copied().collect();
    let skipped = scenarios.iter().filter(|scenario| !can_pass(scenario)).map(|scenario| Verdict {
        scenario: group.full_name(scenario),
        outcome: Outcome::Skipped,
        notes: Vec::new(),
    });
    if runnable.is_empty() {
        return Ok((skipped.collect(), None, 0));
    }
    let archive = image::build(parts, group, &runnable)?;
    let path = scratch.join(format!("{}.cpio", group.name));
    fs::write(&path, &archive)?;
    let longest = runnable.iter().map(|scenario| scenario.limit).max().unwrap_or_default();
    let sum: Duration = runnable.iter().map(|scenario| scenario.limit).sum();
    let limits = Limits { silence: BOOT_LIMIT.max(longest * 2), total: BOOT_LIMIT + sum };
    let heard = machine::boot(bootable, &path, group, limits)?;
    fs::remove_file(&path)?;
    let mut verdicts = verdict::judge(group, &runnable, &heard);
    verdicts.extend(skipped);
    Ok((verdicts, Some(heard), archive.len()))
}

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Totals {
    fn add(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            match verdict.outcome {
                Outcome::Passed(_) => self.passed += 1,
                Outcome::Failed(_) => self.failed += 1,
                Outcome::Skipped => self.skipped += 1,
            }
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(out, ", {} skipped (ours only)", self.skipped)?;
        }
        writeln!(out)
    }
}

/// Whether there is nothing to say but what the scenarios note.
fn is_story(verdicts: &[Verdict], heard: Option<&Heard>) -> bool {
    heard.is_some_and(|heard| heard.ending == Ending::Finished)
        && verdicts.iter().all(|verdict| matches!(verdict.outcome, Outcome::Passed(_)))
}

fn print_notes(out: &mut impl Write, verdicts: &[Verdict]) -> io::Result<()> {
    verdicts.iter().flat_map(|verdict| &verdict.notes).try_for_each(|note| writeln!(out, "{note}"))
}

fn print_group(
    out: &mut impl Write,
    group: &Group,
    verdicts: &[Verdict],
    heard: &Option<Heard>,
    size: usize,
    verbose: bool,
) -> io::Result<()> {
    if let Some(Heard { boot: Some(boot), .. }) = heard {
        let (seconds, mib) = (boot.as_secs_f64(), size >> 20);
        writeln!(out, "{}: booted in {seconds:.1} s, image of {mib} MiB", group.name)?;
    }
    for Verdict { scenario, outcome, notes } in verdicts {
        match outcome {
            Outcome::Passed(millis) => writeln!(out, "ok      {scenario} ({millis} ms)")?,
            Outcome::Skipped => writeln!(out, "skipped {scenario}")?,
            Outcome::Failed(reason) => {
                writeln!(out, "FAILED  {scenario}: {}", reason.replace('\n', "\n        "))?;
            }
        }
        for note in notes {
            writeln!(out, "        {note}")?;
        }
    }
    let Some(heard) = heard else { return Ok(()) };
    let failed = verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::Failed(_)));
    if verbose || failed || heard.ending != Ending::Finished {
        for line in &heard.console {
            writeln!(out, "  | {line}")?;
        }
    }
    Ok(())
}
