//! A tree whose owner exchanges directories while root's depmod works in it: nothing outside of the tree is read or
//! written, whenever he does it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed expectation is how a test speaks")]

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use fixtures::{Module, Tree};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::world::{VERSION, contains, database, depmod, directory, skip, stderr};

mod world;

/// Somebody who is not root.
const NOBODY: u32 = 65534;

/// When the owner of the tree does his exchange.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// A module is opened.
    ModuleIsOpened,
    /// The first file is made in the module directory.
    FileIsMade,
    /// A file that stands for a list of the kernel's build is opened.
    FifoIsOpened,
}

/// What he puts in place of what.
#[derive(Clone, Copy, Debug)]
enum Exchange {
    /// A link to the victim's directory in place of the module directory.
    ModuleDirectory,
    /// The same in place of the directory of modules in it.
    Subdirectory,
    /// The same in place of the directory that holds those of all kernels.
    ParentDirectory,
}

/// How often each is tried: `ROUNDS=200 cargo test -p depmod --test races`.
fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(10, |number| number.parse().unwrap())
}

/// A tree of many modules, so that there is time for an exchange, and a directory that it has no business with.
struct Stage {
    temporary: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut tree = Tree::new(VERSION).directory("/etc/depmod.d");
        for number in 0..40 {
            let name = format!("m{number}");
            tree = tree.module(&format!("kernel/{name}.ko"), Module::new(&name).alias("harmless"));
        }
        tree.with_build_files().write(&temporary.path().join("tree")).unwrap();
        let secret = Module::new("secret").alias("of-the-victim");
        Tree::new(VERSION).module("secret.ko", secret).write(&temporary.path().join("victim")).unwrap();
        Self { temporary }
    }

    fn tree(&self) -> PathBuf {
        self.temporary.path().join("tree")
    }

    fn victim(&self) -> PathBuf {
        directory(&self.temporary.path().join("victim"))
    }

    /// Waits for the moment, then does the exchange.
    fn attack(&self, moment: Moment, exchange: Exchange) -> impl FnOnce() + Send + use<> {
        let module_directory = directory(&self.tree());
        let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
        let (place, flags) = match moment {
            Moment::ModuleIsOpened => (module_directory.join("kernel/m0.ko"), WatchFlags::OPEN),
            Moment::FileIsMade => (module_directory.clone(), WatchFlags::CREATE),
            Moment::FifoIsOpened => (module_directory.join("modules.builtin.modinfo"), WatchFlags::OPEN),
        };
        inotify::add_watch(&watch, place, flags).unwrap();
        // What wakes the attacker up if the moment never comes.
        inotify::add_watch(&watch, self.temporary.path(), WatchFlags::CREATE).unwrap();
        let (from, target) = match exchange {
            Exchange::ModuleDirectory => (module_directory, self.victim()),
            Exchange::Subdirectory => (module_directory.join("kernel"), self.victim()),
            Exchange::ParentDirectory => {
                let parent = |path: PathBuf| path.parent().unwrap().to_owned();
                (parent(module_directory), parent(self.victim()))
            }
        };
        let [aside, link] = ["aside", "link"].map(|name| self.tree().join(name));
        // A link of root's is followed, so it is another user's from its first moment in its place.
        symlink(target, &link).unwrap();
        lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
        move || {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            inotify::Reader::new(watch, &mut buffer).next().unwrap();
            fs::rename(&from, aside).unwrap();
            fs::rename(link, &from).unwrap();
        }
    }
}

/// Everything in a directory, with what it holds.
fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn run(moment: Moment, exchange: Exchange) {
    if !rustix::process::geteuid().is_root() {
        skip("files cannot be given to another user");
        return;
    }
    for round in 0..rounds() {
        let stage = Stage::new();
        if let Moment::FifoIsOpened = moment {
            fs::remove_file(directory(&stage.tree()).join("modules.builtin.modinfo")).unwrap();
            Tree::new(VERSION).fifo("modules.builtin.modinfo").write(&stage.tree()).unwrap();
        }
        let before = contents(&stage.victim());
        let attacker = thread::spawn(stage.attack(moment, exchange));
        let output = depmod(&stage.tree(), &["-a"]).output().unwrap();
        fs::write(stage.temporary.path().join("wake"), "").unwrap();
        attacker.join().unwrap();
        let what = format!("round {round} of {moment:?} {exchange:?}: {}", stderr(&output));
        assert_eq!(contents(&stage.victim()), before, "{what}");
        let aside = stage.tree().join("aside");
        let written = match exchange {
            Exchange::ModuleDirectory => contents_of_database(&aside),
            Exchange::ParentDirectory => contents_of_database(&aside.join(VERSION)),
            Exchange::Subdirectory => database(&stage.tree()).into_values().collect::<Vec<_>>().concat(),
        };
        assert!(!contains(&written, "of-the-victim"), "{what}");
        assert!(!contains(&written, "secret.ko"), "{what}");
    }
}

fn contents_of_database(directory: &Path) -> Vec<u8> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.is_file()).flat_map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn a_module_directory_that_is_exchanged_while_modules_are_read_keeps_its_database() {
    run(Moment::ModuleIsOpened, Exchange::ModuleDirectory);
}

#[test]
fn a_module_directory_that_is_exchanged_while_files_are_written_keeps_its_database() {
    run(Moment::FileIsMade, Exchange::ModuleDirectory);
}

#[test]
fn a_fifo_gives_its_owner_no_time_for_an_exchange() {
    run(Moment::FifoIsOpened, Exchange::ModuleDirectory);
}

#[test]
fn the_directory_above_may_be_exchanged_as_well() {
    run(Moment::FileIsMade, Exchange::ParentDirectory);
}

#[test]
fn modules_of_another_tree_are_not_read_through_a_directory_that_is_exchanged() {
    run(Moment::FileIsMade, Exchange::Subdirectory);
    run(Moment::ModuleIsOpened, Exchange::Subdirectory);
}
