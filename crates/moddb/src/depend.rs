//! A module's line of `modules.dep`: its file and all that it needs.
//!
//! The line is `FILE: DEPENDENCY DEPENDENCY ...`, the complete closure, each before what it needs itself. So the
//! last one is loaded first.

use std::path::PathBuf;

use modfile::ModuleName;
use rustix::io::Errno;

use crate::paths::ModuleDir;

/// A module that another one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: ModuleName,
    /// Its file.
    pub path: PathBuf,
}

/// What a line of `modules.dep` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyLine {
    /// The module's file.
    pub path: PathBuf,
    /// What it needs, directly or not, in the order of loading.
    pub dependencies: Vec<Dependency>,
}

impl DependencyLine {
    /// Reads a line; one without a `:` says nothing.
    #[must_use]
    pub fn parse(line: &[u8], directory: &ModuleDir) -> Option<Self> {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (path, rest) = line.split_at(colon);
        let mut dependencies: Vec<_> = rest
            .strip_prefix(b":")?
            .split(|&byte| matches!(byte, b' ' | b'\t'))
            .filter(|path| !path.is_empty())
            .map(|path| Dependency { name: ModuleName::of_path(path), path: directory.join(path) })
            .collect();
        dependencies.reverse();
        Some(Self { path: directory.join(path), dependencies })
    }
}

/// The file of a dependency is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path={} error={errno}", path.display())]
pub struct MissingDependency {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used.
    #[source]
    pub errno: Errno,
}

/// Looks whether the files of all dependencies are there.
///
/// # Errors
/// The first one, in the order of the line, that is not.
// compat: kmod then loads the module itself without any of them (case modprobe/dependency-file-missing).
pub fn check(dependencies: &[Dependency]) -> Result<(), MissingDependency> {
    for dependency in dependencies.iter().rev() {
        if let Err(errno) = rustix::fs::stat(&dependency.path) {
            return Err(MissingDependency { path: dependency.path.clone(), errno });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn dependencies_are_loaded_in_reverse_order() {
        let directory = ModuleDir::at("/m".into());
        let line =
            DependencyLine::parse(b"k/dd.ko:  k/b-1.ko.xz   /x/c.ko ", &directory).expect("it has a colon");
        assert_eq!(line.path, Path::new("/m/k/dd.ko"));
        let found: Vec<_> = line
            .dependencies
            .iter()
            .map(|dependency| (dependency.name.to_text().into_owned(), dependency.path.display().to_string()))
            .collect();
        assert_eq!(found, [("c".into(), "/x/c.ko".into()), ("b_1".into(), "/m/k/b-1.ko.xz".into())]);
        assert_eq!(DependencyLine::parse(b"junk", &directory), None);
        assert_eq!(DependencyLine::parse(b"", &directory), None);
    }

    #[test]
    fn the_first_missing_file_of_the_line_is_reported() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        std::fs::write(root.path().join("a.ko"), "")?;
        let directory = ModuleDir::at(root.path().into());
        let line = DependencyLine::parse(b"m.ko: a.ko b.ko c.ko", &directory).expect("it has a colon");
        let missing = check(&line.dependencies).expect_err("two are missing");
        assert_eq!(missing, MissingDependency { path: root.path().join("b.ko"), errno: Errno::NOENT });
        assert_eq!(check(line.dependencies.get(2..).unwrap_or_default()), Ok(()));
        Ok(())
    }
}
