//! What can happen to the modules of a system between two runs of depmod.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fixtures::{Module, compress};
use proptest::prelude::*;

use super::kernels::{
    DIRECTORIES, INPUTS, OTHER_VERSION, PACKED, Place, VERSION, World, copy, distinct, input_text, names,
    rename, stamp, touch,
};

/// Something that happens to a module directory.
#[derive(Clone, Debug)]
pub enum Change {
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
    /// All that is in a directory is put aside as it is, or comes back: by moving, or copied with its times.
    Restore {
        what: Kept,
        copied: bool,
    },
    /// All modules and inputs get one time of modification, as tools that make reproducible images do.
    Clamp {
        seconds: u64,
    },
    /// Another kernel gets a module, and its modules are remembered in the same file.
    OtherKernel {
        module: usize,
        content: u32,
    },
    /// Each of the two kernels gets the other one's directory.
    SwapKernels,
    /// What is mounted becomes the layer below a new, empty one; otherwise the uppermost one is emptied, as if an image
    /// were started anew.
    Layer {
        another: bool,
    },
    Nothing,
}

/// What is put aside and comes back.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// One directory of modules.
    Modules,
    /// All of a kernel's files.
    Kernel,
    /// All kernels.
    All,
}

/// What happens to a file of the database.
#[derive(Clone, Copy, Debug)]
pub enum Spoiling {
    Removed,
    Emptied,
    /// One byte is another one, and its times of modification are what they were.
    Changed,
    Private,
    /// Another file with the same bytes takes its place.
    Copied,
}

/// Any change.
pub fn change() -> impl Strategy<Value = Change> {
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
        1 => module.clone().prop_map(|module| Change::Damage { module }),
        1 => (0..3_usize).prop_map(|directory| Change::Search { directory }),
        1 => (0..4_usize).prop_map(|module| Change::Exclude { module }),
        1 => (0..3_usize, 0..3_u32).prop_map(|(file, content)| Change::Input { file, content }),
        1 => (0..11_usize, spoiling()).prop_map(|(file, how)| Change::Output { file, how }),
        2 => (prop::sample::select(vec![Kept::Modules, Kept::Kernel, Kept::All]), any::<bool>())
            .prop_map(|(what, copied)| Change::Restore { what, copied }),
        1 => prop::sample::select(vec![0, 1, 1_600_000_000]).prop_map(|seconds| Change::Clamp { seconds }),
        1 => (module, 0..6_u32).prop_map(|(module, content)| Change::OtherKernel { module, content }),
        1 => Just(Change::SwapKernels),
        1 => any::<bool>().prop_map(|another| Change::Layer { another }),
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

impl World {
    /// Lets something happen. What changes the names in a directory changes its time.
    pub fn apply(&self, change: &Change) {
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
                let bytes = compress(&module_bytes(module, content), PACKED[packed]).unwrap();
                distinct(&self.file(module), |path| fs::write(path, &bytes));
            }
            Change::Remove { module } => drop(fs::remove_file(self.file(module))),
            Change::Rename { from, to } => drop(fs::rename(self.file(from), self.file(to))),
            Change::Swap { one, other } => {
                if one != other && self.file(one).exists() && self.file(other).exists() {
                    self.swap(&self.file(one), &self.file(other));
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
                fs::write(self.at("depmod.d/search.conf"), line).unwrap();
            }
            Change::Exclude { module } => {
                fs::write(self.at("depmod.d/exclude.conf"), format!("exclude m{module}.ko\n")).unwrap();
            }
            Change::Input { file, content } => {
                distinct(&self.input(file), |path| fs::write(path, input_text(file, content)));
            }
            Change::Output { file, how } => self.spoil(file, how),
            Change::Restore { what, copied } => self.restore(what, copied),
            Change::OtherKernel { module, content } => {
                let other = self.modules().with_file_name(OTHER_VERSION);
                let file = other.join(self.file(module).strip_prefix(self.modules()).unwrap());
                distinct(&file, |path| fs::write(path, module_bytes(module, content)));
                let cache = self.at("kept.cache");
                self.database_again("other", OTHER_VERSION, &["--cache", cache.to_str().unwrap()]);
            }
            Change::SwapKernels => {
                self.swap(&self.modules(), &self.modules().with_file_name(OTHER_VERSION));
            }
            Change::Layer { another } if self.place == Place::Overlay => self.layer(another),
            Change::Layer { .. } | Change::Nothing => {}
        }
    }

    fn swap(&self, one: &Path, other: &Path) {
        let aside = self.at("lib/modules/aside");
        rename(one, &aside);
        rename(other, one);
        rename(&aside, other);
    }

    fn spoil(&self, file: usize, how: Spoiling) {
        let directory = self.at("kept/lib/modules").join(VERSION);
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
                let aside = self.at("aside");
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

    fn restore(&self, what: Kept, copied: bool) {
        let (name, directories) = match what {
            Kept::Modules => ("before", vec![self.modules().join("kernel")]),
            Kept::Kernel => ("kernel-before", vec![self.modules()]),
            Kept::All => ("all-before", vec![self.modules(), self.modules().with_file_name(OTHER_VERSION)]),
        };
        for (number, directory) in directories.iter().enumerate() {
            let aside = self.at(&format!("{name}-{number}"));
            if !aside.exists() {
                copy(directory, &aside);
            } else if copied {
                fs::remove_dir_all(directory).unwrap();
                copy(&aside, directory);
            } else {
                let there = self.at("there");
                rename(directory, &there);
                rename(&aside, directory);
                rename(&there, &aside);
            }
        }
    }

    fn layer(&self, another: bool) {
        self.unmount();
        let layers = fs::read_dir(self.at("layers")).unwrap().count();
        if another {
            fs::create_dir(self.at(&format!("layers/{layers}"))).unwrap();
        } else if layers > 1 {
            let top = self.at(&format!("layers/{}", layers - 1));
            fs::remove_dir_all(&top).and_then(|()| fs::create_dir(&top)).unwrap();
        }
        self.mount();
    }
}

fn module_bytes(module: usize, content: u32) -> Vec<u8> {
    Module::new(&format!("m{}", module / 3))
        .alias(&format!("test:{content}"))
        .export(format!("s{content}"), content)
        .need(format!("s{}", (content + 1) % 6))
        .bytes()
}
