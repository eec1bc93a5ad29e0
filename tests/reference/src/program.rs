//! A program under comparison: one of the kmod releases, or one of ours.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::run::{Limits, run};

/// A release of kmod that ours are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// Debian 12's.
    Kmod30,
    /// Debian 13's.
    Kmod34,
}

impl Release {
    /// Both, older first.
    pub const ALL: [Self; 2] = [Self::Kmod30, Self::Kmod34];

    /// Its major version.
    pub fn number(self) -> &'static str {
        match self {
            Self::Kmod30 => "30",
            Self::Kmod34 => "34",
        }
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "kmod {}", self.number())
    }
}

/// A dynamic loader and the value of its `--library-path`.
#[derive(Clone, Debug)]
struct Loader {
    executable: PathBuf,
    libraries: OsString,
}

/// How to start one tool.
#[derive(Clone, Debug)]
pub struct Program {
    tool: String,
    executable: PathBuf,
    /// For a program that brings its own libraries.
    loader: Option<Loader>,
}

impl Program {
    /// A program of this machine, started under the name `tool`.
    pub fn plain(tool: &str, executable: &Path) -> Self {
        Self { tool: tool.to_owned(), executable: executable.to_owned(), loader: None }
    }

    /// The `tool` of a kmod release out of the cache, started by its own dynamic loader so that it runs
    /// whatever libraries this machine has. Its version is asked and checked.
    ///
    /// # Errors
    /// If setup has not brought it, or it is another version than it should be.
    pub fn reference(cache: &Cache, release: Release, tool: &str) -> Result<Self> {
        let root = cache.kmod(release.number());
        let executable = ["usr/bin/kmod", "bin/kmod"]
            .iter()
            .map(|path| root.join(path))
            .find(|path| path.is_file())
            .with_context(|| {
                format!("{release} is not in {}; run cargo xtask setup", cache.directory().display())
            })?;
        let loader = loader_in(&root)?;
        let program = Self { tool: tool.to_owned(), executable, loader: Some(loader) };
        let version = program.version()?;
        let expected = format!("kmod version {}", release.number());
        let rest = version.strip_prefix(&expected);
        ensure!(
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            "{} says '{version}' where {expected} is expected",
            program.executable.display()
        );
        Ok(program)
    }

    /// Any program, started by the dynamic loader of a kmod release and with its libraries; libraries in the
    /// directory `before`, if there is one, come before them.
    ///
    /// # Errors
    /// If setup has not brought the release.
    pub fn with_libraries_of(
        cache: &Cache,
        release: Release,
        tool: &str,
        executable: &Path,
        before: Option<&Path>,
    ) -> Result<Self> {
        let mut loader = loader_in(&cache.kmod(release.number()))?;
        if let Some(before) = before {
            let behind: Vec<_> = std::env::split_paths(&loader.libraries).collect();
            loader.libraries = std::env::join_paths([vec![before.to_owned()], behind].concat())?;
        }
        Ok(Self { tool: tool.to_owned(), executable: executable.to_owned(), loader: Some(loader) })
    }

    /// The file that holds it.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// The name under which it is started.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The first line of what `--version` prints.
    ///
    /// # Errors
    /// If it cannot be run or says nothing.
    pub fn version(&self) -> Result<String> {
        // Not every tool of kmod has this option, but the program that they all are has it.
        let asked = Self {
            tool: if self.loader.is_some() { "kmod".to_owned() } else { self.tool.clone() },
            ..self.clone()
        };
        let mut command = asked.command();
        command.arg("--version");
        let outcome = run(command, &Limits::default())?;
        let text = String::from_utf8_lossy(&outcome.stdout);
        match text.lines().next() {
            Some(line) => Ok(line.to_owned()),
            None => bail!("{}: --version printed nothing", self.executable.display()),
        }
    }

    /// A command that starts the tool; arguments, environment and directory are up to the caller.
    pub fn command(&self) -> Command {
        let words = self.words();
        let mut words = words.iter();
        let mut command = Command::new(words.next().map_or_else(OsString::new, OsString::clone));
        command.args(words);
        if self.loader.is_none() {
            command.arg0(&self.tool);
        }
        command
    }

    /// The directory below which all files lie that the program brings: itself, and its libraries if it has any.
    pub fn directory(&self) -> &Path {
        let mut directory = self.executable.parent().unwrap_or(&self.executable);
        if let Some(loader) = &self.loader {
            while !loader.executable.starts_with(directory) {
                directory = directory.parent().unwrap_or(Path::new("/"));
            }
        }
        directory
    }

    /// The words with which the tool is started. A plain program would also need its name as argv\[0\].
    pub fn words(&self) -> Vec<OsString> {
        let Some(loader) = &self.loader else {
            return vec![self.executable.clone().into()];
        };
        vec![
            loader.executable.clone().into(),
            "--library-path".into(),
            loader.libraries.clone(),
            "--argv0".into(),
            self.tool.clone().into(),
            self.executable.clone().into(),
        ]
    }
}

/// The dynamic loader under an unpacked root, and every directory there that holds libraries.
fn loader_in(root: &Path) -> Result<Loader> {
    let bases = ["usr/lib", "lib"].map(|base| root.join(base));
    let mut executable = None;
    let mut libraries = Vec::new();
    for directory in bases.iter().flat_map(|base| directories(base)) {
        let names: Vec<PathBuf> = files(&directory);
        let named = |path: &PathBuf, start: &str| {
            path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
        };
        if executable.is_none() {
            executable = names.iter().find(|path| named(path, "ld-linux")).cloned();
        }
        if names.iter().any(|path| named(path, "lib")) {
            libraries.push(directory);
        }
    }
    let executable = executable.with_context(|| {
        format!("{}: no dynamic loader; remove the directory and run cargo xtask setup", root.display())
    })?;
    Ok(Loader { executable, libraries: std::env::join_paths(libraries)? })
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn directories(directory: &Path) -> Vec<PathBuf> {
    files(directory).into_iter().filter(|path| path.is_dir()).collect()
}
