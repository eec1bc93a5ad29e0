//! What depmod costs, row by row: kinds of trees, a cache, and ten times as many modules.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reference::{Cache, Kernel, Program, Release};

use super::cost::{Subject, costs, once, table, two_threads_against_one};
use super::trees::Laid;
use crate::project;

/// What is measured in a row.
enum Work {
    /// A run that makes all of the database, on a tree packed so.
    Full(&'static str),
    /// A full run on the tree of a newer kernel, which its distribution has compressed.
    Distribution,
    /// A run with a cache, after something happened, against full runs of the references on a tree of their own.
    Again(Change, Place),
    /// A full run on so many modules in a row, each of which needs the one before it.
    Chain(usize),
    /// Ten copies of the modules, against one.
    TenFold,
}

/// What happens before a run.
#[derive(Clone, Copy)]
enum Change {
    Nothing,
    /// One module is installed anew, with the same bytes in another file.
    Reinstalled,
    /// A module is installed, or taken away, in turn: every run makes another database.
    ComesOrGoes,
}

/// Where a tree is.
#[derive(Clone, Copy)]
enum Place {
    Memory,
    Disk,
}

struct Row {
    name: &'static str,
    title: &'static str,
    work: Work,
    /// The goals for wall time, processor time and memory, as shares of what kmod 34 takes.
    at_most: [Option<f64>; 3],
}

const ROWS: [Row; 12] = [
    Row {
        name: "plain",
        title: "uncompressed modules, full run",
        work: Work::Full("packaged"),
        at_most: [Some(0.14), Some(1.0 / 3.0), Some(1.0)],
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
        name: "distribution",
        title: "a newer kernel's modules as its package has them (.xz), full run",
        work: Work::Distribution,
        at_most: [None, None, Some(0.9)],
    },
    Row {
        name: "changed",
        title: "one module installed anew in the .xz tree, in memory, cache present",
        work: Work::Again(Change::Reinstalled, Place::Memory),
        at_most: [Some(0.010), None, None],
    },
    Row {
        name: "changed-disk",
        title: "the same on a disk",
        work: Work::Again(Change::Reinstalled, Place::Disk),
        at_most: [Some(0.014), None, None],
    },
    Row {
        name: "unchanged",
        title: "nothing changed in the .xz tree, in memory, cache present",
        work: Work::Again(Change::Nothing, Place::Memory),
        at_most: [Some(0.008), None, None],
    },
    Row {
        name: "unchanged-disk",
        title: "the same on a disk",
        work: Work::Again(Change::Nothing, Place::Disk),
        at_most: [Some(0.008), None, None],
    },
    Row {
        name: "another",
        title: "one module more or less in the .xz tree, in memory, cache present",
        work: Work::Again(Change::ComesOrGoes, Place::Memory),
        at_most: [Some(0.012), None, None],
    },
    Row {
        name: "another-disk",
        title: "the same on a disk",
        work: Work::Again(Change::ComesOrGoes, Place::Disk),
        at_most: [None, None, None],
    },
    Row {
        name: "chain",
        title: "modules in a row, each of which needs the one before it",
        work: Work::Chain(3000),
        at_most: [None, None, Some(1.0)],
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
    println!("two threads of this machine take {:.2} times as long as one", two_threads_against_one());
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
        let nothing = || Ok(());
        match row.work {
            Work::Full(packing) => self.full(row, &self.laid_out(packing, Place::Disk)?),
            Work::Distribution => {
                let kernel = self.cache.newer_kernel()?;
                self.full(row, &Laid::out(&self.cache, &kernel, "packaged", 1)?)
            }
            Work::Again(change, place) => {
                // The references write all files anew, so they get a tree of their own.
                let (tree, other) = (self.laid_out("xz", place)?, self.laid_out("xz", place)?);
                tree.install("bench", "xz")?;
                // What has just changed is not remembered.
                std::thread::sleep(Duration::from_millis(100));
                let mut ours = subject("ours", &self.ours, &tree);
                ours.words.extend(["--cache".into(), tree.beside("cache").into()]);
                for _ in 0..2 {
                    // The first run reads the modules, the second one finds the database in place.
                    once(&ours)?;
                }
                let mut subjects = vec![ours];
                subjects.extend(self.references(&other)?);
                let turn = Cell::new(false);
                let prepare = || match change {
                    Change::Nothing => Ok(()),
                    Change::Reinstalled => tree.install("bench", "xz"),
                    // Each subject is prepared for, and ours is one of an odd number of them.
                    Change::ComesOrGoes if turn.replace(!turn.get()) => tree.uninstall(),
                    Change::ComesOrGoes => tree.install("bench", "xz"),
                };
                self.measure(row, &tree, &subjects, &prepare)
            }
            Work::Chain(modules) => self.full(row, &Laid::chain(modules)?),
            Work::TenFold => {
                let lay_out = |copies| Laid::out(&self.cache, &self.kernel, "packaged", copies);
                let (one, ten) = (lay_out(1)?, lay_out(10)?);
                let subjects = [&ten, &one].map(|tree| subject(&tree.modules.to_string(), &self.ours, tree));
                self.measure(row, &ten, &subjects, &nothing)
            }
        }
    }

    /// Measures full runs, of which none remembers anything.
    fn full(&self, row: &Row, tree: &Laid) -> Result<()> {
        let mut subjects = vec![subject("ours", &self.ours, tree)];
        subjects.extend(self.references(tree)?);
        // Whoever ran before must not have made what is to be made.
        self.measure(row, tree, &subjects, &|| tree.take_database_away())
    }

    fn laid_out(&self, packing: &str, place: Place) -> Result<Laid> {
        match place {
            Place::Memory => Laid::in_memory(&self.cache, &self.kernel, packing),
            Place::Disk => Laid::out(&self.cache, &self.kernel, packing, 1),
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
