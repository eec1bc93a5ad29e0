// long: what can happen to a module directory, and what is compared after it
//! Whatever happened to the modules since the last run: what depmod makes of remembered modules is, byte for byte
//! and message for message, what it makes of all modules read anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self};
use std::os::unix::fs::{DirEntryExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixtures::{Compression, Module, Shown, compress};
use modcli::sink::{LogPlaces, Sink};
use modcli::startup::Closed;
use modcli::{Output, Reporter, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const VERSION: &str = "6.1.0-test";

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    status: u8,
    stderr: String,
}

/// Runs depmod as if an hour had passed, so that every module may be remembered.
fn depmod(words: &[&str]) -> (Ending, String) {
    let (stdout, stderr) = (Shown::default(), Shown::default());
    let argv = std::iter::once("depmod").chain(words.iter().copied()).map(OsString::from).collect();
    let session = Session {
        program: "depmod",
        argv,
        closed: Closed::default(),
        reporter: Reporter::new(Sink::new("depmod", LogPlaces::default(), Some(Box::new(stderr.clone())))),
        output: Output::to(Box::new(stdout.clone())),
    };
    let result = depmod::run_at(&session, SystemTime::now() + Duration::from_secs(3600));
    let status = session.finish(result).status();
    (Ending { status, stderr: stderr.text() }, stdout.text())
}

/// Something that happens to a module directory.
#[derive(Clone, Debug)]
enum Change {
    Write {
        module: usize,
        content: u32,
        packed: usize,
    },
    Remove {
        module: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Swap {
        one: usize,
        other: usize,
    },
    Touch {
        module: usize,
        seconds: u64,
    },
    Mode {
        module: usize,
        mode: u32,
    },
    Damage {
        module: usize,
    },
    Search {
        directory: usize,
    },
    Exclude {
        module: usize,
    },
    /// One of the files that the kernel's build leaves beside the modules.
    Input {
        file: usize,
        content: u32,
    },
    /// A file of the database.
    Output {
        file: usize,
        how: Spoiling,
    },
    /// All modules are put aside as they are, or come back: by moving, or copied with their times.
    Restore {
        copied: bool,
    },
    /// All modules and inputs get one time of modification, as tools that make reproducible images do.
    Clamp {
        seconds: u64,
    },
    /// Another kernel's modules are remembered in the same file.
    OtherKernel,
    Nothing,
}

/// What happens to a file of the database.
#[derive(Clone, Copy, Debug)]
enum Spoiling {
    Removed,
    Emptied,
    /// One byte is another one, and its times of modification are what they were.
    Changed,
    Private,
    /// Another file with the same bytes takes its place.
    Copied,
}

fn change() -> impl Strategy<Value = Change> {
    let module = 0..12_usize;
    prop_oneof![
        4 => (module.clone(), 0..6_u32, 0..4_usize)
            .prop_map(|(module, content, packed)| Change::Write { module, content, packed }),
        1 => module.clone().prop_map(|module| Change::Remove { module }),
        1 => (module.clone(), module.clone()).prop_map(|(from, to)| Change::Rename { from, to }),
        1 => (module.clone(), module.clone()).prop_map(|(one, other)| Change::Swap { one, other }),
        1 => (module.clone(), 0..3_u64).prop_map(|(module, seconds)| Change::Touch { module, seconds }),
        1 => (module.clone(), 0..2_u32)
            .prop_map(|(module, mode)| Change::Mode { module, mode: 0o600 + mode * 0o44 }),
        1 => module.prop_map(|module| Change::Damage { module }),
        1 => (0..3_usize).prop_map(|directory| Change::Search { directory }),
        1 => (0..4_usize).prop_map(|module| Change::Exclude { module }),
        1 => (0..3_usize, 0..3_u32).prop_map(|(file, content)| Change::Input { file, content }),
        1 => (0..11_usize, spoiling()).prop_map(|(file, how)| Change::Output { file, how }),
        1 => any::<bool>().prop_map(|copied| Change::Restore { copied }),
        1 => prop::sample::select(vec![0, 1, 1_600_000_000]).prop_map(|seconds| Change::Clamp { seconds }),
        1 => Just(Change::OtherKernel),
        2 => Just(Change::Nothing),
    ]
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    prop::sample::select(vec![
        Spoiling::Removed,
        Spoiling::Emptied,
        Spoiling::Changed,
        Spoiling::Private,
        Spoiling::Copied,
    ])
}

const INPUTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
const OTHER_VERSION: &str = "6.2.0-test";
const DIRECTORIES: [&str; 3] = ["kernel", "updates", "extra"];
const PACKED: [Compression; 4] = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd];

struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        // In memory where that is possible: each run syncs eleven files.
        let shared_memory = Path::new("/dev/shm");
        let place = if shared_memory.is_dir() { shared_memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::tempdir_in(place).unwrap();
        for directory in DIRECTORIES {
            fs::create_dir_all(root.path().join("lib/modules").join(VERSION).join(directory)).unwrap();
        }
        fs::create_dir(root.path().join("depmod.d")).unwrap();
        let world = Self { root };
        for file in 0..INPUTS.len() {
            fs::write(world.input(file), world.input_text(file, 0)).unwrap();
        }
        copy(&world.modules(), &world.modules().with_file_name(OTHER_VERSION));
        world
    }

    fn modules(&self) -> PathBuf {
        self.root.path().join("lib/modules").join(VERSION)
    }

    fn input(&self, file: usize) -> PathBuf {
        self.modules().join(INPUTS[file])
    }

    fn input_text(&self, file: usize, content: u32) -> String {
        match file {
            0 => (0..content).map(|module| format!("kernel/m{module}.ko\n")).collect(),
            1 => format!("kernel/builtin{content}.ko\n"),
            _ => format!("builtin.alias=built:{content}\0"),
        }
    }

    /// The file of a module: four names in three directories, so that some hide others.
    fn file(&self, module: usize) -> PathBuf {
        let directory = self.root.path().join("lib/modules").join(VERSION).join(DIRECTORIES[module % 3]);
        directory.join(format!("m{}.ko", module / 3))
    }

    /// Lets something happen. What changes the names in a directory changes its time.
    fn apply(&self, change: &Change) {
        let directories = || DIRECTORIES.map(|directory| self.modules().join(directory));
        let before = directories().map(|directory| (names(&directory), stamp(&directory)));
        self.happen(change);
        for (directory, (names_before, stamp_before)) in directories().iter().zip(before) {
            let tick = directory.join("tick");
            while names(directory) != names_before && stamp(directory) == stamp_before {
                fs::write(&tick, "").and_then(|()| fs::remove_file(&tick)).unwrap();
            }
        }
    }

    fn happen(&self, change: &Change) {
        match *change {
            Change::Write { module, content, packed } => {
                let name = format!("m{}", module / 3);
                let written = Module::new(&name)
                    .alias(&format!("test:{content}"))
                    .export(format!("s{content}"), content)
                    .need(format!("s{}", (content + 1) % 6));
                let bytes = compress(&written.bytes(), PACKED[packed]).unwrap();
                distinct(&self.file(module), |path| fs::write(path, &bytes));
            }
            Change::Remove { module } => drop(fs::remove_file(self.file(module))),
            Change::Rename { from, to } => drop(fs::rename(self.file(from), self.file(to))),
            Change::Swap { one, other } => {
                let aside = self.root.path().join("aside");
                if one != other && self.file(one).exists() && self.file(other).exists() {
                    fs::rename(self.file(one), &aside).unwrap();
                    fs::rename(self.file(other), self.file(one)).unwrap();
                    fs::rename(&aside, self.file(other)).unwrap();
                }
            }
            // Also back in time.
            Change::Touch { module, seconds } => touch(&self.file(module), seconds),
            Change::Clamp { seconds } => {
                let modules = (0..12).map(|module| self.file(module));
                let inputs = (0..INPUTS.len()).map(|file| self.input(file));
                modules.chain(inputs).for_each(|path| touch(&path, seconds));
                // Directories last: nothing in them changes after it.
                DIRECTORIES.iter().for_each(|name| touch(&self.modules().join(name), seconds));
                touch(&self.modules(), seconds);
            }
            Change::Mode { module, mode } => {
                let _ = fs::set_permissions(self.file(module), fs::Permissions::from_mode(mode));
            }
            Change::Damage { module } => distinct(&self.file(module), |path| {
                let mut bytes = fs::read(path)?;
                bytes.truncate(40);
                fs::write(path, bytes)
            }),
            Change::Search { directory } => {
                let line = format!("search {} built-in\n", DIRECTORIES[directory]);
                fs::write(self.root.path().join("depmod.d/search.conf"), line).unwrap();
            }
            Change::Exclude { module } => {
                fs::write(self.root.path().join("depmod.d/exclude.conf"), format!("exclude m{module}.ko\n"))
                    .unwrap();
            }
            Change::Input { file, content } => {
                distinct(&self.input(file), |path| fs::write(path, self.input_text(file, content)));
            }
            Change::Output { file, how } => self.spoil(file, how),
            Change::Restore { copied } => self.restore(copied),
            Change::OtherKernel => {
                let cache = self.root.path().join("kept.cache");
                let words = self.words("other", &["--cache", cache.to_str().unwrap()]);
                let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                words.pop();
                words.push(OTHER_VERSION);
                depmod(&words);
            }
            Change::Nothing => {}
        }
    }

    fn spoil(&self, file: usize, how: Spoiling) {
        let directory = self.root.path().join("kept/lib/modules").join(VERSION);
        let mut names: Vec<PathBuf> =
            fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let Some(path) = names.get(file) else { return };
        match how {
            Spoiling::Removed => fs::remove_file(path).unwrap(),
            Spoiling::Emptied => distinct(path, |path| fs::write(path, "")),
            Spoiling::Private => {
                distinct(path, |path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
            }
            Spoiling::Copied => {
                let aside = self.root.path().join("aside");
                fs::copy(path, &aside).and_then(|_| fs::rename(&aside, path)).unwrap();
            }
            Spoiling::Changed => {
                let modified = fs::metadata(path).unwrap().modified().unwrap();
                let mut bytes = fs::read(path).unwrap();
                let Some(byte) = bytes.last_mut() else { return };
                *byte ^= 1;
                distinct(path, |path| {
                    fs::write(path, &bytes)?;
                    fs::File::open(path)?.set_modified(modified)
                });
            }
        }
    }

    fn restore(&self, copied: bool) {
        let aside = self.root.path().join("before");
        let modules = self.modules().join("kernel");
        if !aside.exists() {
            copy(&modules, &aside);
        } else if copied {
            fs::remove_dir_all(&modules).unwrap();
            copy(&aside, &modules);
        } else {
            let there = self.root.path().join("there");
            fs::rename(&modules, &there).unwrap();
            fs::rename(&aside, &modules).unwrap();
            fs::rename(&there, &aside).unwrap();
        }
    }

    fn words(&self, out: &str, memory: &[&str]) -> Vec<String> {
        let [base, config, out] = ["", "depmod.d", out].map(|name| self.root.path().join(name));
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let words = ["-b", &text(&base), "-C", &text(&config), "-o", &text(&out), "--json"];
        words.iter().chain(memory).chain(&[VERSION]).map(|word| (*word).to_owned()).collect()
    }

    /// Runs depmod into a new directory; gives how it ended, how many modules it remembered, and the files.
    fn database(&self, out: &str, memory: &[&str]) -> (Ending, u64, BTreeMap<String, Vec<u8>>) {
        let _ = fs::remove_dir_all(self.root.path().join(out));
        let (ending, summary, files) = self.database_again(out, memory);
        (ending, summary["reused"].as_u64().unwrap_or(0), files)
    }

    /// Runs depmod into a directory that may have a database; gives how it ended, what it did, and the files.
    fn database_again(
        &self,
        out: &str,
        memory: &[&str],
    ) -> (Ending, serde_json::Value, BTreeMap<String, Vec<u8>>) {
        let words = self.words(out, memory);
        let (ending, stdout) = depmod(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_default();
        let directory = self.root.path().join(out).join("lib/modules").join(VERSION);
        let files = fs::read_dir(directory).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        });
        (ending, summary, files.collect())
    }
}

/// Names in a directory, and which files they are.
fn names(directory: &Path) -> BTreeMap<OsString, u64> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name(), entry.ino())).collect()
}

fn stamp(path: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(path).map(|metadata| (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())).ok()
}

/// Copies a whole directory with its times.
fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Changes a file that exists until its time of change is another one: clocks tick more slowly than tests run.
fn distinct(path: &Path, change: impl Fn(&Path) -> io::Result<()>) {
    let before = stamp(path);
    loop {
        let _ = change(path);
        if before.is_none() || stamp(path) != before {
            return;
        }
    }
}

/// Sets the time of modification of a file or directory that exists.
fn touch(path: &Path, seconds: u64) {
    distinct(path, |path| fs::File::open(path)?.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)));
}

/// How many sequences of changes are tried. `SEQUENCES=5000 cargo test -p depmod --test incremental` tries as many
/// others.
fn sequences() -> u32 {
    std::env::var("SEQUENCES").map_or(120, |number| number.parse().unwrap())
}

#[test]
fn after_any_changes_remembered_modules_give_the_database_of_modules_read_anew() {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&sequences().to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config { cases: sequences(), failure_persistence: None, ..Config::default() };
    let reused_at_all = RefCell::new(0);
    let nothing_made = RefCell::new(0);
    let strategy = prop::collection::vec(change(), 1..25);
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |changes| {
            let world = World::new();
            let cache = world.root.path().join("cache");
            let memory = ["--cache", cache.to_str().unwrap()];
            for change in &changes {
                world.apply(change);
                let (ending, reused, files) = world.database("incremental", &memory);
                let _ = fs::remove_dir_all(world.root.path().join("full"));
                let (ending_anew, summary_anew, files_anew) = world.database_again("full", &["--no-cache"]);
                prop_assert_eq!(&files, &files_anew, "{:?}", change);
                prop_assert_eq!(&ending, &ending_anew, "{:?}", change);
                *reused_at_all.borrow_mut() += reused;
                let kept_cache = world.root.path().join("kept.cache");
                let (ending, summary, files) =
                    world.database_again("kept", &["--cache", kept_cache.to_str().unwrap()]);
                prop_assert_eq!(&files, &files_anew, "{:?}", change);
                prop_assert_eq!(ending, ending_anew, "{:?}", change);
                for number in ["modules", "aliases", "symbols"] {
                    prop_assert_eq!(&summary[number], &summary_anew[number], "{}", number);
                }
                *nothing_made.borrow_mut() += u32::from(summary["made"] == 0);
            }
            Ok(())
        })
        .unwrap();
    let reused_at_all = reused_at_all.into_inner();
    assert!(reused_at_all > 1000, "only {reused_at_all} modules were remembered");
    let nothing_made = nothing_made.into_inner();
    assert!(nothing_made > 50, "only in {nothing_made} runs there was nothing to make");
}

#[test]
fn a_cache_of_any_bytes_changes_nothing_but_what_is_read() {
    let world = World::new();
    for module in 0..4 {
        world.apply(&Change::Write { module: module * 3, content: 1, packed: 0 });
    }
    let (_, _, anew) = world.database("full", &["--no-cache"]);
    let cache = world.root.path().join("cache");
    let memory = ["--cache", cache.to_str().unwrap()];
    world.database("first", &memory);
    let whole = fs::read(&cache).unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 50) {
        for damaged in [whole[..place].to_vec(), [&whole[..place], b"\xFF", &whole[place..]].concat()] {
            fs::write(&cache, damaged).unwrap();
            let (ending, reused, files) = world.database("damaged", &memory);
            assert_eq!((ending.status, reused), (0, 0));
            assert_eq!(files, anew);
        }
        let (_, reused, _) = world.database("mended", &memory);
        assert_eq!(reused, 4, "the cache is written anew");
    }
}

#[test]
fn a_cache_that_is_not_used_is_replaced_in_silence_unless_v_asks() {
    let world = World::new();
    world.apply(&Change::Write { module: 0, content: 1, packed: 0 });
    let cache = world.root.path().join("cache");
    let path = cache.to_str().unwrap();
    let others_may_write = || fs::set_permissions(&cache, fs::Permissions::from_mode(0o666)).unwrap();
    let spoilers: [(&dyn Fn(), &str); 3] = [
        (&|| fs::write(&cache, "x").unwrap(), "not a cache of this version"),
        (&|| fs::write(&cache, b"moddbC\r\n\x04\0\0\0").unwrap(), "damaged"),
        (&others_may_write, "it belongs to, or can be written by, somebody else"),
    ];
    let run = |memory: &[&str]| {
        let (ending, reused, _) = world.database("out", memory);
        let told: Vec<String> =
            ending.stderr.lines().filter(|line| line.contains("cache")).map(str::to_owned).collect();
        (ending.status, told, reused)
    };
    for (spoil, why) in spoilers {
        let told =
            format!("depmod: NOTICE: every module is read, because the cache {path} is not used: {why}");
        for (verbose, told) in [(None, vec![]), (Some("-v"), vec![told])] {
            run(&["--cache", path]);
            spoil();
            let memory: Vec<&str> = ["--cache", path].into_iter().chain(verbose).collect();
            assert_eq!(run(&memory), (0, told, 0));
            assert_eq!(run(&["--cache", path, "-v"]), (0, vec![], 1), "{why}: it was replaced");
        }
    }
}
