//! A case: a directory with a text file named `case`, which describes a root directory and the command lines
//! that run on it. What the references do is the expected result.
//!
//! ```text
//! # What this case shows.
//! module kernel/a.ko.xz kind=be32       a module file, relative to the module directory (or /to/root);
//!     alias=pci:v1*                     its .modinfo strings and its symbols, indented
//!     export foo 0x12345678
//!     need bar 0x1
//!     weak baz
//!     signature id=2 data=3082...       appended to it, see `signature` below
//! file modules.order                    a file of the indented lines
//!     kernel/a.ko
//! config search.conf                    the same in /etc/depmod.d
//!     search updates
//! link PATH -> TARGET, fifo PATH, directory PATH, time PATH SECONDS, mode PATH OCTAL
//! without modules.order                 otherwise the files of a kernel build are made up where missing
//! version 6.1.0-test, moduledir lib/modules/6.1.0-test, env NAME=VALUE, cwd PATH
//! version running                       that of the kernel on which the programs run; {running} stands for it
//!                                       everywhere, also in what is shown
//! descriptors 64                        the limit of open files
//! answers CALL,CALL WORD                what the kernel answers to these system calls, for all programs: the name
//!                                       of an error, or `success`; nothing else happens
//! inside                                run with the root directory as /, where nothing can be written below
//!                                       /var/cache unless the case has a /var of its own
//! shell                                 the root directory has a /bin/sh
//! terminal                              standard error is a terminal
//! world NAME                            the lines of worlds/NAME, as if they stood here
//! database                              kmod 34's depmod builds the module database before the first run
//! later KEYWORD ...                     file, link, fifo, directory or module: put there after the database;
//! later without PATH                    likewise taken away, and
//! later cut PATH BYTES                  cut to its first bytes
//! silent                                the references are expected to print and change nothing
//! free stdout: REASON                   standard output need only be there, its text is each program's own
//! differs from kmod 30: REASON          files `ours` and `kmod-30` hold the exact results
//! run {base} -a {version}               {base} is -b {root} -C {root}/etc/depmod.d for depmod, -S {version} for
//!                                       modprobe; > FILE sends stdout there
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use fixtures::Tree;
use reference::Release;

use crate::later::Later;
use crate::module;
use crate::words;

/// One command line of a case.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its words, with placeholders.
    pub words: Vec<Vec<u8>>,
    /// Where standard output goes, if not to the comparison.
    pub stdout: Option<String>,
}

/// A case as described.
#[derive(Clone, Debug)]
pub struct Case {
    /// The directory's name.
    pub name: String,
    /// The directory.
    pub directory: PathBuf,
    /// The root directory that it runs on.
    pub tree: Tree,
    /// Command lines, run one after the other.
    pub runs: Vec<Run>,
    /// The whole environment beside `PATH` and `LC_ALL`.
    pub environment: Vec<(String, String)>,
    /// Where it runs, relative to the root.
    pub cwd: String,
    /// The limit of open files, if not this machine's.
    pub descriptors: Option<u32>,
    /// System calls that never reach the kernel, and what they answer, in the words of strace: `CALL,CALL:WORD`.
    pub answers: Vec<String>,
    /// Whether the root directory becomes `/`.
    pub inside: bool,
    /// Whether the root directory has a shell.
    pub shell: bool,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    /// Whether a module database is built before the first run.
    pub database: bool,
    /// What is done to the tree after that.
    pub later: Later,
    /// Whether nothing is expected to happen.
    pub silent: bool,
    /// Whether standard output is each program's own.
    pub free_stdout: bool,
    /// Intended differences and their reasons.
    pub differences: Vec<(Release, String)>,
}

impl Case {
    /// Reads the case in `directory`.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("case");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = with_worlds(&text)?.replace("{running}", &running()?);
        parse(&name, directory, &text).with_context(|| path.display().to_string())
    }

    /// Why a difference from `release` is intended, if it is.
    pub fn difference(&self, release: Release) -> Option<&str> {
        let of_release = self.differences.iter().find(|(of, _)| *of == release);
        of_release.map(|(_, reason)| reason.as_str())
    }
}

/// The release of the kernel on which the programs run.
pub fn running() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// The lines of a case with those of the worlds that it names in the place of their names.
fn with_worlds(text: &str) -> Result<String> {
    let mut whole = String::new();
    for line in text.lines() {
        match line.strip_prefix("world ") {
            Some(name) => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(name);
                whole += &fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            }
            None => {
                whole += line;
                whole.push('\n');
            }
        }
    }
    Ok(whole)
}

/// A keyword line and the indented lines below it.
pub struct Block<'t> {
    pub keyword: &'t str,
    pub rest: &'t str,
    pub body: Vec<&'t str>,
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(inner) = line.strip_prefix("    ") {
            let block = blocks.last_mut().context("an indented line before any keyword")?;
            block.body.push(inner);
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
            blocks.push(Block { keyword, rest: rest.trim(), body: Vec::new() });
        }
    }
    Ok(blocks)
}

fn parse(name: &str, directory: &Path, text: &str) -> Result<Case> {
    ensure!(text.starts_with("# "), "the first line must say what the case shows");
    let blocks = blocks(text)?;
    let version = blocks.iter().find(|block| block.keyword == "version").map_or("6.1.0-test", |b| b.rest);
    let version = if version == "running" { running()? } else { version.to_owned() };
    let mut case = Case {
        name: name.to_owned(),
        directory: directory.to_owned(),
        tree: Tree::new(&version),
        runs: Vec::new(),
        environment: Vec::new(),
        cwd: String::new(),
        descriptors: None,
        answers: Vec::new(),
        inside: false,
        shell: false,
        terminal: false,
        database: false,
        later: Later::new(&version),
        silent: false,
        free_stdout: false,
        differences: Vec::new(),
    };
    let mut without = Vec::new();
    for block in &blocks {
        if block.keyword == "without" {
            without.extend(block.rest.split_whitespace());
        } else {
            apply(&mut case, block).with_context(|| format!("{} {}", block.keyword, block.rest))?;
        }
    }
    ensure!(!case.runs.is_empty(), "the case runs nothing");
    if !without.contains(&"build-files") {
        case.tree = case.tree.with_build_files();
    }
    if case.shell {
        case.tree = case.tree.file("/bin/sh", "");
    }
    // In the live system ours remembers what it read; that is shown by the case that has a /var of its own.
    if case.inside && !case.tree.has("/var") {
        case.tree = case.tree.file("/var/cache", "");
    }
    case.tree = without.iter().fold(case.tree, |tree, path| tree.without(path));
    Ok(case)
}

fn apply(case: &mut Case, block: &Block<'_>) -> Result<()> {
    match planted(case.tree.clone(), block)? {
        Some(tree) => case.tree = tree,
        None => setting(case, block)?,
    }
    Ok(())
}

/// The tree with what a block puts into it; `None` if that is not what the block does.
pub fn planted(tree: Tree, block: &Block<'_>) -> Result<Option<Tree>> {
    let two = || block.rest.split_once(' ').context("two words are needed");
    Ok(Some(match block.keyword {
        "version" => tree,
        "moduledir" => tree.module_directory(block.rest),
        "module" => module::planted(tree, block)?,
        "file" => file(tree, block)?,
        "config" => tree.config(block.rest, &body(block)),
        "link" => {
            let (path, target) = block.rest.split_once(" -> ").context("PATH -> TARGET is needed")?;
            tree.link(path, target)
        }
        "fifo" => tree.fifo(block.rest),
        "directory" => tree.directory(block.rest),
        "time" => {
            let (path, seconds) = two()?;
            tree.time(path, seconds.parse()?)
        }
        "mode" => {
            let (path, mode) = two()?;
            tree.mode(path, u32::from_str_radix(mode, 8)?)
        }
        _ => return Ok(None),
    }))
}

fn setting(case: &mut Case, block: &Block<'_>) -> Result<()> {
    match block.keyword {
        "env" => {
            let (name, value) = block.rest.split_once('=').context("NAME=VALUE is needed")?;
            case.environment.push((name.to_owned(), value.to_owned()));
        }
        "cwd" => block.rest.clone_into(&mut case.cwd),
        "descriptors" => case.descriptors = Some(block.rest.parse()?),
        "answers" => case.answers.push(answer(block.rest)?),
        "inside" => case.inside = true,
        "shell" => case.shell = true,
        "terminal" => case.terminal = true,
        "database" => case.database = true,
        "later" => case.later.add(block)?,
        "silent" => case.silent = true,
        "free" => {
            ensure!(block.rest.starts_with("stdout: "), "free stdout: REASON");
            case.free_stdout = true;
        }
        "differs" => {
            let (release, reason) = block.rest.split_once(": ").context("a reason is needed")?;
            let release = match release {
                "from kmod 30" => Release::Kmod30,
                "from kmod 34" => Release::Kmod34,
                other => bail!("{other} is no reference"),
            };
            case.differences.push((release, reason.to_owned()));
        }
        "run" => {
            // There may be no word before it.
            let rest = format!(" {}", block.rest);
            let (line, stdout) = match rest.split_once(" > ") {
                Some((line, target)) => (line, Some(target.to_owned())),
                None => (rest.as_str(), None),
            };
            case.runs.push(Run { words: words::split(line)?, stdout });
        }
        unknown => bail!("unknown keyword '{unknown}'"),
    }
    Ok(())
}

/// `CALL,CALL WORD` as strace wants it.
fn answer(text: &str) -> Result<String> {
    let (calls, word) = text.split_once(' ').context("CALL,CALL WORD is needed")?;
    Ok(match word {
        "success" => format!("{calls}:retval=0"),
        error => format!("{calls}:error={error}"),
    })
}

fn body(block: &Block<'_>) -> String {
    block.body.iter().map(|line| format!("{line}\n")).collect()
}

fn file(tree: Tree, block: &Block<'_>) -> Result<Tree> {
    let mut words = block.rest.split_whitespace();
    let path = words.next().context("a path is needed")?;
    let mut content = body(block).into_bytes();
    for option in words {
        match option {
            "unterminated" => {
                content.pop();
            }
            "escaped" => content = words::unescape(&String::from_utf8(content)?)?,
            unknown => bail!("unknown option '{unknown}'"),
        }
    }
    Ok(tree.file(path, content))
}
