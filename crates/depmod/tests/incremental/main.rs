//! Whatever happened to the modules since the last run: what depmod makes of remembered modules is, byte for byte
//! and message for message, what it makes of all modules read anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

mod changes;
mod kernels;
#[path = "../world/mod.rs"]
mod world;

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use changes::{Change, change};
use kernels::{Place, VERSION, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many sequences of changes are tried. `SEQUENCES=5000 cargo test -p depmod --test incremental` tries as many
/// others.
fn sequences() -> u32 {
    std::env::var("SEQUENCES").map_or(120, |number| number.parse().unwrap())
}

/// How often what is remembered was of use.
#[derive(Default)]
struct Used {
    modules: Cell<u64>,
    runs_that_made_nothing: Cell<u64>,
}

fn add(to: &Cell<u64>, number: u64) {
    to.set(to.get() + number);
}

/// After each change of as many sequences: a new database by what is remembered, and one that is there brought up to
/// date, are what they are if all is read anew.
fn compare(sequences: u32, place: Place) -> Used {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&sequences.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config { cases: sequences, failure_persistence: None, ..Config::default() };
    let used = Used::default();
    let strategy = prop::collection::vec(change(), 1..25);
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |changes| {
            let world = World::new(place);
            let [cache, kept_cache] = ["cache", "kept.cache"].map(|name| world.at(name));
            let memory = ["--cache", cache.to_str().unwrap()];
            let kept_memory = ["--cache", kept_cache.to_str().unwrap()];
            for change in &changes {
                world.apply(change);
                let (ending, reused, files) = world.database("incremental", &memory);
                let _ = fs::remove_dir_all(world.at("full"));
                let (ending_anew, summary_anew, files_anew) =
                    world.database_again("full", VERSION, &["--no-cache"]);
                prop_assert_eq!(&files, &files_anew, "{:?}", change);
                prop_assert_eq!(&ending, &ending_anew, "{:?}", change);
                add(&used.modules, reused);
                let (ending, summary, files) = world.database_again("kept", VERSION, &kept_memory);
                prop_assert_eq!(&files, &files_anew, "{:?}", change);
                prop_assert_eq!(ending, ending_anew, "{:?}", change);
                for number in ["modules", "aliases", "symbols"] {
                    prop_assert_eq!(&summary[number], &summary_anew[number], "{}", number);
                }
                add(&used.runs_that_made_nothing, u64::from(summary["made"] == 0));
            }
            Ok(())
        })
        .unwrap();
    used
}

#[test]
fn after_any_changes_remembered_modules_give_the_database_of_modules_read_anew() {
    let used = compare(sequences(), Place::Directory);
    let (modules, runs) = (used.modules.get(), used.runs_that_made_nothing.get());
    assert!(modules > 1000, "only {modules} modules were remembered");
    assert!(runs > 50, "only in {runs} runs there was nothing to make");
}

#[test]
fn on_an_overlay_whose_layers_come_and_go_they_do_too() {
    const INSIDE: &str = "OVERLAYS_MAY_BE_MOUNTED";
    if std::env::var_os(INSIDE).is_some() {
        let modules = compare(sequences() / 6, Place::Overlay).modules.get();
        assert!(modules > 50, "only {modules} modules were remembered");
        return;
    }
    let mount = "mkdir -p a/x/y b c d && mount -t overlay x -o userxattr,lowerdir=a,upperdir=b,workdir=c d && \
        touch d/x/z && rm -r d/x";
    let place = tempfile::tempdir().unwrap();
    let mut trial = Command::new("unshare");
    if !trial.args(["-Urm", "sh", "-c", mount]).current_dir(&place).status().is_ok_and(|s| s.success()) {
        world::skip("overlays cannot be mounted in a user namespace");
        return;
    }
    // In a mount namespace, which ends with this process.
    let mut again = Command::new("unshare");
    again.args(["-Urm"]).arg(std::env::current_exe().unwrap());
    again.args(["--exact", "on_an_overlay_whose_layers_come_and_go_they_do_too"]).env(INSIDE, "1");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_cache_of_any_bytes_changes_nothing_but_what_is_read() {
    let world = World::new(Place::Directory);
    for module in 0..4 {
        world.apply(&Change::Write { module: module * 3, content: 1, packed: 0 });
    }
    let (_, _, anew) = world.database("full", &["--no-cache"]);
    let cache = world.at("cache");
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
    let world = World::new(Place::Directory);
    world.apply(&Change::Write { module: 0, content: 1, packed: 0 });
    let cache = world.at("cache");
    let path = cache.to_str().unwrap();
    let others_may_write = || fs::set_permissions(&cache, fs::Permissions::from_mode(0o666)).unwrap();
    let cut_off = || {
        let bytes = fs::read(&cache).unwrap();
        fs::write(&cache, bytes.split_last().unwrap().1).unwrap();
    };
    let spoilers: [(&dyn Fn(), &str); 3] = [
        (&|| fs::write(&cache, "x").unwrap(), "not a cache of this version"),
        (&cut_off, "damaged"),
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
