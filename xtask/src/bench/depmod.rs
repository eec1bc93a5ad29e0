//! What depmod costs, row by row: kinds of trees, a cache, and ten times as many modules.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reference::{Cache, Kernel, Program, Release};

use super::cost::{Subject, costs, table};
use super::trees::Laid;
use crate::project;

/// What is measured in a row.
enum Work {
    /// A full run on a tree packed so.
    Full(&'static str),
    /// A run with a cache, after one module was installed anew, against full runs of the references.
    Changed,
    /// The same with nothing changed.
    Unchanged,
    /// Ten copies of the modules, against one.
    TenFold,
}

struct Row {
    name: &'static str,
    title: &'static str,
    work: Work,
    /// The goals for wall time, processor time and memory, as shares of what kmod 34 takes.
    at_most: [Option<f64>; 3],
}

const ROWS: [Row; 6] = [
    Row {
        name: "plain",
        title: "uncompressed modules, full run",
        work: Work::Full("plain"),
        at_most: [Some(0.2), Some(1.0 / 3.0), Some(1.0)],
    },
    Row {
        name: "xz",
        title: "the same as .xz",
        work: Work::Full("xz"),
        at_most: [Some(0.55), Some(1.0), Some(1.0)],
    },
    Row {
        name: "zst",
        title: "the same as .zst",
        work: Work::Full("zst"),
        at_most: [Some(0.5), None, Some(1.0)],
    },
    Row {
        name: "changed",
        title: "one module installed anew in the .xz tree, cache present",
        work: Work::Changed,
        at_most: [Some(1.0 / 60.0), None, None],
    },
    Row {
        name: "unchanged",
        title: "nothing changed in the .xz tree, cache present",
        work: Work::Unchanged,
        at_most: [Some(1.0 / 60.0), None, None],
    },
    Row {
        name: "tenfold",
        title: "ten differently named copies of the plain modules, against one",
        work: Work::TenFold,
        at_most: [Some(12.0), None, None],
    },
];

/// Options: `[--only ROW] [--rounds N]`.
pub fn run(options: &[&str]) -> Result<()> {
    let (only, rounds) = settings(options)?;
    let built = project::build("depmod")?;
    let cache = Cache::of_user()?;
    let kernel = cache.kernel()?;
    let bench = Bench { ours: Program::plain("depmod", &built.path), cache, kernel, rounds };
    for release in Release::ALL {
        println!("{release}: {}", Program::reference(&bench.cache, release, "depmod")?.version()?);
    }
    println!("ours: {}", built.description);
    for row in ROWS.iter().filter(|row| only.is_none_or(|only| only == row.name)) {
        bench.row(row).with_context(|| row.name)?;
    }
    Ok(())
}

fn settings<'o>(options: &[&'o str]) -> Result<(Option<&'o str>, usize)> {
    let mut only = None;
    let mut rounds = 9;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match *word {
            "--only" => only = Some(*value),
            "--rounds" => rounds = value.parse().context("--rounds takes a number")?,
            other => bail!("unknown option {other}"),
        }
    }
    ensure!(rounds > 0, "at least one round is needed");
    let names = ROWS.map(|row| row.name);
    ensure!(only.is_none_or(|only| names.contains(&only)), "no such row; there are: {}", names.join(", "));
    Ok((only, rounds))
}

struct Bench {
    ours: Program,
    cache: Cache,
    kernel: Kernel,
    rounds: usize,
}

impl Bench {
    fn row(&self, row: &Row) -> Result<()> {
        let lay_out = |packing, copies| Laid::out(&self.cache, &self.kernel, packing, copies);
        let nothing = || Ok(());
        match row.work {
            Work::Full(packing) => {
                let tree = lay_out(packing, 1)?;
                let mut subjects = vec![subject("ours", &self.ours, &tree)];
                subjects.extend(self.references(&tree)?);
                self.measure(row, &tree, &subjects, &nothing)
            }
            Work::Changed | Work::Unchanged => {
                let tree = lay_out("xz", 1)?;
                tree.install("bench", "xz")?;
                // depmod does not trust times that are younger than a second.
                std::thread::sleep(Duration::from_millis(1500));
                let mut ours = subject("ours", &self.ours, &tree);
                ours.words.extend(["--cache".into(), tree.beside("cache").into()]);
                let mut subjects = vec![ours];
                subjects.extend(self.references(&tree)?);
                let install = || tree.install("bench", "xz");
                let prepare: &dyn Fn() -> Result<()> =
                    if matches!(row.work, Work::Changed) { &install } else { &nothing };
                self.measure(row, &tree, &subjects, prepare)
            }
            Work::TenFold => {
                let (one, ten) = (lay_out("plain", 1)?, lay_out("plain", 10)?);
                let subjects = [&ten, &one].map(|tree| subject(&tree.modules.to_string(), &self.ours, tree));
                self.measure(row, &ten, &subjects, &nothing)
            }
        }
    }

    fn references(&self, tree: &Laid) -> Result<Vec<Subject>> {
        Release::ALL
            .into_iter()
            .map(|release| {
                let program = Program::reference(&self.cache, release, "depmod")?;
                Ok(subject(&release.to_string(), &program, tree))
            })
            .collect()
    }

    fn measure(
        &self,
        row: &Row,
        tree: &Laid,
        subjects: &[Subject],
        prepare: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        println!(
            "\n{}: {} modules; {}; {} rounds after one to warm up",
            row.name, tree.modules, row.title, self.rounds
        );
        print!("{}", table(subjects, &costs(subjects, self.rounds, prepare)?));
        if row.at_most.iter().any(Option::is_some) {
            let [wall, cpu, memory] =
                row.at_most.map(|goal| goal.map_or("-".to_owned(), |goal| format!("{goal:.3}")));
            println!("{:22}{wall:>10}{cpu:>10}{memory:>10}", "goal, at most");
        }
        Ok(())
    }
}

fn subject(name: &str, program: &Program, tree: &Laid) -> Subject {
    let mut words = program.words();
    words.extend(tree.arguments());
    Subject { name: name.to_owned(), words }
}
