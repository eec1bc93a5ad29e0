//! Module directories to which something happens, and depmod's runs on them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixtures::{Compression, Shown};
use modcli::sink::{LogPlaces, Sink};
use modcli::startup::Closed;
use modcli::{Output, Reporter, Session};

/// The kernel release whose database is made, and another one beside it.
pub const VERSION: &str = "6.1.0-test";
pub const OTHER_VERSION: &str = "6.2.0-test";

/// Files that the kernel's build leaves beside the modules.
pub const INPUTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
pub const DIRECTORIES: [&str; 3] = ["kernel", "updates", "extra"];
pub const PACKED: [Compression; 4] =
    [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd];

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    pub status: u8,
    pub stderr: String,
}

/// Runs depmod as if an hour had passed, so that every module may be remembered.
fn depmod(words: &[String]) -> (Ending, String) {
    let (stdout, stderr) = (Shown::default(), Shown::default());
    let argv =
        std::iter::once("depmod").chain(words.iter().map(String::as_str)).map(OsString::from).collect();
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

/// What `/lib/modules` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    Directory,
    /// Where an overlay is mounted, as in an image that is built in layers.
    Overlay,
}

/// A root directory with the modules of two kernels.
pub struct World {
    pub root: tempfile::TempDir,
    pub place: Place,
}

impl World {
    pub fn new(place: Place) -> Self {
        // In memory where that is possible: each run syncs eleven files. An overlay has its marks in attributes, which
        // not every file system in memory has.
        let shared_memory = Path::new("/dev/shm");
        let in_memory = place == Place::Directory && shared_memory.is_dir();
        let parent = if in_memory { shared_memory.to_owned() } else { std::env::temp_dir() };
        let world = Self { root: tempfile::tempdir_in(parent).unwrap(), place };
        fs::create_dir_all(world.at("lib/modules")).unwrap();
        if place == Place::Overlay {
            fs::create_dir_all(world.at("layers/0")).unwrap();
            world.mount();
        }
        for directory in DIRECTORIES {
            fs::create_dir_all(world.modules().join(directory)).unwrap();
        }
        fs::create_dir(world.at("depmod.d")).unwrap();
        for file in 0..INPUTS.len() {
            fs::write(world.input(file), input_text(file, 0)).unwrap();
        }
        copy(&world.modules(), &world.modules().with_file_name(OTHER_VERSION));
        world
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn modules(&self) -> PathBuf {
        self.at("lib/modules").join(VERSION)
    }

    pub fn input(&self, file: usize) -> PathBuf {
        self.modules().join(INPUTS[file])
    }

    /// The file of a module: four names in three directories, so that some hide others.
    pub fn file(&self, module: usize) -> PathBuf {
        self.modules().join(DIRECTORIES[module % 3]).join(format!("m{}.ko", module / 3))
    }

    /// Mounts the layers, the last one on top and writable.
    pub fn mount(&self) {
        let layers = self.at("layers");
        let top = fs::read_dir(&layers).unwrap().count() - 1;
        let work = self.at("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(self.at("bottom")).unwrap();
        let layer = |number: usize| layers.join(number.to_string()).display().to_string();
        let below: Vec<String> =
            (0..top).rev().map(layer).chain([self.at("bottom").display().to_string()]).collect();
        let options = format!(
            "userxattr,lowerdir={},upperdir={},workdir={}",
            below.join(":"),
            layer(top),
            work.display()
        );
        run(Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(self.at("lib/modules")));
    }

    pub fn unmount(&self) {
        run(Command::new("umount").arg(self.at("lib/modules")));
    }

    /// depmod's words for a run that writes below `out`.
    fn words(&self, out: &str, version: &str, memory: &[&str]) -> Vec<String> {
        let [base, config, out] =
            ["", "depmod.d", out].map(|name| self.at(name).to_str().unwrap().to_owned());
        let words = ["-b", &base, "-C", &config, "-o", &out, "--json"];
        words.iter().chain(memory).chain(&[version]).map(|word| (*word).to_owned()).collect()
    }

    /// Runs depmod into a new directory; gives how it ended, how many modules it remembered, and the files.
    pub fn database(&self, out: &str, memory: &[&str]) -> (Ending, u64, BTreeMap<String, Vec<u8>>) {
        let _ = fs::remove_dir_all(self.at(out));
        let (ending, summary, files) = self.database_again(out, VERSION, memory);
        (ending, summary["reused"].as_u64().unwrap_or(0), files)
    }

    /// Runs depmod into a directory that may have a database; gives how it ended, what it did, and the files.
    pub fn database_again(
        &self,
        out: &str,
        version: &str,
        memory: &[&str],
    ) -> (Ending, serde_json::Value, BTreeMap<String, Vec<u8>>) {
        let (ending, stdout) = depmod(&self.words(out, version, memory));
        let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_default();
        let directory = self.at(out).join("lib/modules").join(version);
        let files = fs::read_dir(directory).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        });
        (ending, summary, files.collect())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.place == Place::Overlay {
            self.unmount();
        }
    }
}

/// What an input says.
pub fn input_text(file: usize, content: u32) -> String {
    match file {
        0 => (0..content).map(|module| format!("kernel/m{module}.ko\n")).collect(),
        1 => format!("kernel/builtin{content}.ko\n"),
        _ => format!("builtin.alias=built:{content}\0"),
    }
}

/// Names in a directory, and which files they are.
pub fn names(directory: &Path) -> BTreeMap<OsString, u64> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name(), entry.ino())).collect()
}

pub fn stamp(path: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(path).map(|metadata| (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())).ok()
}

/// Copies a whole directory with its times.
pub fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to));
}

/// Moves a whole directory: where it cannot be renamed, by copying it with its times.
pub fn rename(from: &Path, to: &Path) {
    run(Command::new("mv").arg("-T").arg(from).arg(to));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Changes a file that exists until its time of change is another one: clocks tick more slowly than tests run.
pub fn distinct(path: &Path, change: impl Fn(&Path) -> io::Result<()>) {
    let before = stamp(path);
    loop {
        let _ = change(path);
        if before.is_none() || stamp(path) != before {
            return;
        }
    }
}

/// Sets the time of modification of a file or directory that exists.
pub fn touch(path: &Path, seconds: u64) {
    distinct(path, |path| fs::File::open(path)?.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)));
}
