//! A made world: modules, the database, configuration and what the kernel says, most of it nearly right.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fixtures::{Compression, Module, compress};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use moddb::index::writer::IndexWriter;

/// Where the kernel shows its modules; a file of this name there says that it is not the kernel that does, but that
/// `cargo xtask fuzz` has put an empty directory in its place, and that nobody here may load modules.
pub const SANDBOX: &str = "/sys/module/.made-for-fuzzing";

/// Names that worlds are made of, and that are asked for.
pub const NAMES: [&str; 8] = ["a", "b_c", "top", "base", "b-c", "x.y", "fs-*", "pci:v00000001d00000002"];

/// What lines of configuration are made of.
const WORDS: [&str; 18] = [
    "alias",
    "options",
    "install",
    "remove",
    "blacklist",
    "softdep",
    "weakdep",
    "pre:",
    "post:",
    " ",
    "\n",
    "\\\n",
    "#",
    "a",
    "top",
    "b-c",
    "x=1 y=\"z",
    "$CMDLINE_OPTS",
];

const INDEXES: [&str; 5] = [
    "modules.dep.bin",
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
];

/// A world in a directory that goes with it.
pub struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub fn of(input: &mut Unstructured<'_>) -> Result<Self> {
        assert!(
            Path::new(SANDBOX).exists(),
            "run it by cargo xtask fuzz c_library: it calls the kernel's own functions"
        );
        let world = Self { directory: tempfile::tempdir().expect("a directory") };
        fs::create_dir(world.path("kernel")).expect("a directory");
        for place in 0..input.int_in_range(0..=3)? {
            let bytes = module(input, NAMES[place])?;
            world.write(input, &format!("kernel/{}.ko", NAMES[place]), bytes)?;
        }
        for name in INDEXES {
            if input.ratio(3, 4)? {
                let bytes = index(input, name)?;
                world.write(input, name, bytes)?;
            }
        }
        for name in ["modules.dep", "modules.alias", "modules.builtin.modinfo", "modules.softdep"] {
            if input.ratio(1, 4)? {
                let bytes = text(input)?;
                world.write(input, name, bytes)?;
            }
        }
        fs::create_dir(world.path("conf")).expect("a directory");
        let bytes = text(input)?;
        world.write(input, "conf/a.conf", bytes)?;
        for name in ["a", "b_c"] {
            loaded(input, name)?;
        }
        Ok(world)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn c_path(&self, name: &str) -> CString {
        CString::new(self.path(name).as_os_str().as_bytes()).expect("no NUL in it")
    }

    /// Writes a file, with some of its bytes changed, or a part of it.
    fn write(&self, input: &mut Unstructured<'_>, name: &str, mut bytes: Vec<u8>) -> Result<()> {
        damage(input, &mut bytes)?;
        fs::write(self.path(name), bytes).expect("written");
        Ok(())
    }

    /// Changes a file where it lies, as no careful program does.
    pub fn change(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let module = format!("kernel/{}.ko", input.choose(&NAMES)?);
        let name = if input.arbitrary()? { input.choose(&INDEXES)? } else { module.as_str() };
        let path = self.path(name);
        if input.ratio(1, 3)? {
            let _ = fs::remove_file(path);
        } else if let Ok(mut bytes) = fs::read(&path) {
            damage(input, &mut bytes)?;
            let _ = fs::write(path, bytes);
        }
        Ok(())
    }
}

fn damage(input: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<()> {
    match input.int_in_range(0..=3)? {
        0 if !bytes.is_empty() => {
            for _ in 0..input.int_in_range(1..=3)? {
                let place = input.choose_index(bytes.len())?;
                bytes[place] = input.arbitrary()?;
            }
        }
        1 if input.ratio(1, 3)? => bytes.truncate(input.int_in_range(0..=bytes.len())?),
        _ => {}
    }
    Ok(())
}

/// A few bytes, or a name that stands for something.
pub fn word(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if input.ratio(3, 4)? {
        return Ok(input.choose(&NAMES)?.as_bytes().to_vec());
    }
    let len = input.int_in_range(0..=16)?;
    Ok(input.bytes(len.min(input.len()))?.to_vec())
}

fn text(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for _ in 0..input.int_in_range(0..=24)? {
        if input.ratio(7, 8)? {
            text.extend_from_slice(input.choose(&WORDS)?.as_bytes());
        } else {
            text.extend(word(input)?);
        }
        if input.ratio(3, 4)? {
            text.push(b' ');
        }
    }
    Ok(text)
}

fn module(input: &mut Unstructured<'_>, name: &str) -> Result<Vec<u8>> {
    let mut module = Module::new(name);
    for _ in 0..input.int_in_range(0..=4)? {
        let word = word(input)?;
        module = match input.int_in_range(0..=5)? {
            0 => module.info([b"alias=", word.as_slice()].concat()),
            1 => module.info(word),
            2 => module.export(without_nul(word), 7),
            3 => module.need(without_nul(word)),
            4 => module.versioned_need(without_nul(word), 9),
            _ => module.weak_need(without_nul(word)),
        };
    }
    let bytes = module.bytes();
    Ok(match input.int_in_range(0..=5)? {
        0 => compress(&bytes, Compression::Xz).expect("packed"),
        1 => compress(&bytes, Compression::Zstd).expect("packed"),
        2 => compress(&bytes, Compression::Gzip).expect("packed"),
        _ => bytes,
    })
}

fn without_nul(word: Vec<u8>) -> Vec<u8> {
    word.into_iter().filter(|&byte| byte != 0).collect()
}

fn index(input: &mut Unstructured<'_>, name: &str) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    for _ in 0..input.int_in_range(0..=4)? {
        let (key, mut value) = (word(input)?, word(input)?);
        if name == "modules.dep.bin" {
            let (own, other) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
            value = format!("kernel/{own}.ko: kernel/{other}.ko kernel/base.ko").into_bytes();
        }
        entries.push((key, value));
    }
    let mut writer = IndexWriter::default();
    for (priority, (key, value)) in (0..).zip(&entries) {
        // What cannot stand in an index is left out.
        let _ = writer.insert(key.as_slice(), value, priority);
    }
    Ok(writer.finish().expect("it is small"))
}

/// What the kernel says of a module, or that there is none.
fn loaded(input: &mut Unstructured<'_>, name: &str) -> Result<()> {
    let directory = Path::new("/sys/module").join(name);
    let _ = fs::remove_dir_all(&directory);
    if input.ratio(2, 3)? {
        return Ok(());
    }
    for below in ["holders/top", "sections"] {
        fs::create_dir_all(directory.join(below)).expect("a directory");
    }
    for (file, texts) in [
        ("initstate", ["live\n", "coming\n", "sleeping\n"]),
        ("refcnt", ["1\n", "-1\n", "many"]),
        ("coresize", ["4096\n", "99999999999999999999999\n", ""]),
        ("sections/.text", ["0xffffffffc0000000\n", "0x", "no number"]),
    ] {
        if input.ratio(3, 4)? {
            fs::write(directory.join(file), input.choose(&texts)?).expect("written");
        }
    }
    Ok(())
}
