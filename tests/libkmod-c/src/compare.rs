//! Runs each test on each library, in a world of its own, and compares what they print.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fixtures::Tree;
use reference::{Cache, Ending, Limits, Program, Release, run};

use crate::compile::{Compiled, For};
use crate::emulator::Emulator;
use crate::world;

const LIMITS: Limits = Limits { time: Duration::from_secs(20), output: 4 << 20 };

/// An emulator takes its time.
const EMULATED: Limits = Limits { time: Duration::from_secs(600), ..LIMITS };

const KMOD_30: &str = "kmod 30";
const KMOD_34: &str = "kmod 34";
const OURS: &str = "ours";

/// What to do with outputs that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// Compare them with those that are recorded.
    Compare,
    /// Record them.
    Renew,
}

/// One of the libraries.
pub struct Library {
    name: &'static str,
    with: With,
    /// The directory with the library, if it is not among those that it runs with.
    directory: Option<PathBuf>,
}

/// Whose dynamic loader and other libraries a library runs with.
enum With {
    /// Those that came with a release of kmod.
    Release(Release),
    /// Those of another machine, by its emulator.
    Emulator(Emulator),
}

impl Library {
    /// kmod 30's, kmod 34's and ours, in this order.
    pub fn all(cache: &Cache, ours: &Path) -> Result<Vec<Self>> {
        for release in Release::ALL {
            // Says it if setup has not run.
            Program::reference(cache, release, "modprobe")?;
        }
        Ok(vec![
            Self { name: KMOD_30, with: With::Release(Release::Kmod30), directory: None },
            Self { name: KMOD_34, with: With::Release(Release::Kmod34), directory: None },
            Self::ours(ours)?,
        ])
    }

    /// Ours alone.
    pub fn ours(library: &Path) -> Result<Self> {
        let directory = library.parent().context("the library has no directory")?.to_owned();
        Ok(Self { name: OURS, with: With::Release(Release::Kmod34), directory: Some(directory) })
    }

    /// Ours for another machine.
    pub fn emulated(library: &Path, emulator: Emulator) -> Result<Self> {
        Ok(Self { with: With::Emulator(emulator), ..Self::ours(library)? })
    }

    /// Whether it has all that a program calls.
    fn has(&self, program: &Compiled) -> bool {
        match program.for_release {
            For::Both => true,
            For::Kmod34 => self.name != KMOD_30,
            For::Kmod30 => self.name != KMOD_34,
            For::Ours => self.name == OURS,
        }
    }
}

/// Runs all tests; fails if anything differs that is not recorded so.
pub fn all(
    cache: &Cache,
    libraries: &[Library],
    programs: &[Compiled],
    tree: &Tree,
    only: &str,
    records: Records,
) -> Result<()> {
    let (mut count, mut recorded, mut as_kmod30, mut wrong) = (0, 0, 0, Vec::new());
    for program in programs {
        let tests: Vec<_> = program.tests.iter().filter(|test| test.contains(only)).collect();
        ensure!(!program.tests.is_empty(), "{}: no tests", program.name);
        for test in tests {
            count += 1;
            let mut outputs = Vec::new();
            for library in libraries {
                if library.has(program) {
                    outputs.push((library.name, one(cache, library, program, test, tree)?));
                }
            }
            let of = |name: &str| outputs.iter().find(|(other, _)| *other == name).map(|(_, text)| text);
            let ours = of(OURS);
            let theirs = of(KMOD_34).or_else(|| of(KMOD_30));
            as_kmod30 += usize::from(of(KMOD_30).is_some() && of(KMOD_30) == ours);
            let record = differences().join(format!("{test}.txt"));
            if theirs == ours && !record.exists() {
                continue;
            }
            let text: String = outputs.iter().map(|(name, text)| format!("==== {name}\n{text}")).collect();
            if theirs == ours {
                wrong.push(format!("{test}: nothing differs, but {} is there", record.display()));
                if records == Records::Renew {
                    fs::remove_file(&record)?;
                }
            } else if records == Records::Renew {
                fs::write(&record, text)?;
            } else if fs::read_to_string(&record).ok().as_deref() == Some(&text) {
                recorded += 1;
            } else {
                let (theirs, ours) = (theirs.map_or("", |text| text), ours.map_or("", |text| text));
                wrong
                    .push(format!("{test} differs:\n{}", difference([("kmod-34", theirs), ("ours", ours)])?));
            }
        }
    }
    for text in &wrong {
        println!("{text}");
    }
    println!(
        "libkmod: {count} tests, {} as kmod, {recorded} otherwise by intention, {as_kmod30} of all as kmod 30",
        count - recorded - wrong.len()
    );
    ensure!(count > 0, "no test is called like that");
    if wrong.is_empty() { Ok(()) } else { bail!("{} tests differ", wrong.len()) }
}

fn differences() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differences")
}

/// What one test prints on one library.
pub fn one(cache: &Cache, library: &Library, program: &Compiled, test: &str, tree: &Tree) -> Result<String> {
    let temporary = tempfile::tempdir()?;
    let root = temporary.path().join("root");
    world::write(tree, cache, &root)?;
    let limits = if matches!(library.with, With::Emulator(_)) { EMULATED } else { LIMITS };
    let outcome = run(inside(cache, library, program, test, &root)?, &limits)?;
    let release = world::running_release()?;
    let (stdout, stderr) = (neutral(&outcome.stdout, &release), neutral(&outcome.stderr, &release));
    let ending = match outcome.ending {
        Ending::Exit(0) => String::new(),
        other => format!("-- {other:?}\n"),
    };
    let stderr = if stderr.is_empty() { stderr } else { format!("-- standard error\n{stderr}") };
    Ok(format!("{stdout}{stderr}{ending}"))
}

/// The test with the world as its root directory, in a mount namespace of its own.
fn inside(cache: &Cache, library: &Library, program: &Compiled, test: &str, root: &Path) -> Result<Command> {
    const SCRIPT: &str = r#"
        root=$1 tools=$2 programs=$3 library=$4 shell=$5 emulator=$6
        shift 6
        mount --rbind "$tools" "$root/tools"
        mount --bind "$programs" "$root/programs"
        if [ -n "$library" ]; then mount --bind "$library" "$root/library"; fi
        mount --bind "$shell" "$root/bin/sh"
        if [ -n "$emulator" ]; then
            touch "$root/emulator"
            mount --bind "$emulator" "$root/emulator"
            set -- /emulator "$@"
        fi
        exec unshare --root="$root" --wd=/ "$@"
    "#;
    let there = Path::new("/programs").join(program.name);
    let (before, tools) = (Path::new("/library"), Path::new("/tools"));
    let (tools, emulator, words) = match &library.with {
        With::Emulator(emulator) => {
            let words = emulator.words(&there, before, tools);
            (emulator.libraries().to_owned(), emulator.program().to_owned(), words)
        }
        With::Release(release) => {
            let before = library.directory.as_ref().map(|_| before);
            let started = Program::with_libraries_of(cache, *release, program.name, &there, before)?;
            let tools = cache.kmod(release.number());
            let words = started.words().into_iter().map(|word| in_root(word, &tools)).collect();
            (tools, PathBuf::new(), words)
        }
    };
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]);
    command.arg(root).arg(&tools).arg(program.path.parent().unwrap_or(&program.path));
    command.arg(library.directory.clone().unwrap_or_default());
    command.arg(cache.directory().join("busybox/bin/busybox"));
    command.arg(emulator).args(words).arg(test);
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C");
    Ok(command)
}

/// A word with the place where the release's files are replaced by where they are seen.
fn in_root(word: OsString, tools: &Path) -> OsString {
    let (from, mut rest, mut out) = (tools.as_os_str().as_bytes(), word.as_bytes(), Vec::new());
    while let Some(&first) = rest.first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(b"/tools");
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    OsString::from_vec(out)
}

/// Output without addresses, without the places in the source that messages are from, and with the release of the
/// prepared world for that of the running kernel.
fn neutral(text: &[u8], release: &str) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.replace(&format!("/lib/modules/{release}/"), "/lib/modules/{release}/");
    text.lines().map(|line| format!("{}\n", addresses(&place(line)))).collect()
}

/// `libkmod: ERROR: FUNCTION: text`, in kmod 30 `libkmod: ERROR FILE:LINE FUNCTION: text`.
fn place(line: &str) -> String {
    let message = || {
        let (priority, rest) = line.strip_prefix("libkmod: ")?.split_once(' ')?;
        let (_, text) = rest.split_once(": ")?;
        Some(format!("libkmod: {}: {text}", priority.trim_end_matches(':')))
    };
    message().unwrap_or_else(|| line.to_owned())
}

/// Hexadecimal numbers that are long enough for addresses of this machine's processes.
fn addresses(line: &str) -> String {
    let mut parts = line.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (number, rest) = part.split_at(digits);
        out.push_str(if digits > 8 { "{address}" } else { "0x" });
        out.push_str(if digits > 8 { "" } else { number });
        out.push_str(rest);
    }
    out
}

/// The lines in which two texts differ, as diff shows them; each with its name.
pub fn difference(texts: [(&str, &str); 2]) -> Result<String> {
    let directory = tempfile::tempdir()?;
    for (name, text) in texts {
        fs::write(directory.path().join(name), text)?;
    }
    let mut diff = Command::new("diff");
    diff.arg("-U1").args(texts.map(|(name, _)| name)).current_dir(directory.path());
    Ok(String::from_utf8_lossy(&diff.output().context("diff")?.stdout).into_owned())
}
