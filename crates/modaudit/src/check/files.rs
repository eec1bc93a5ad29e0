//! How files of the configuration are written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modcli::words;
use moddb::config::ConfigProblem;
use modfile::regular;
use modhint::nearest::nearest;

use super::{Finding, Level};

/// A file of the configuration is not longer, in bytes.
const LONGEST_FILE: usize = 16 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What could not be understood when the configuration was read.
pub(super) fn unread_lines(problems: &[ConfigProblem]) -> Vec<Finding> {
    let finding = |problem: &ConfigProblem| {
        let (place, line) = match problem {
            ConfigProblem::File(problem) => (problem.path().display().to_string(), None),
            ConfigProblem::BadLine { location, .. } | ConfigProblem::BesideModules { location, .. } => {
                (location.file.display().to_string(), Some(location.line))
            }
            ConfigProblem::Deprecated { file, .. } => (file.display().to_string(), None),
            ConfigProblem::BadKernelOption { .. } => ("the kernel command line".to_owned(), None),
        };
        let text = match problem {
            ConfigProblem::BadLine { word, .. } => {
                let word = crate::text(word);
                let reason = if KEYWORDS.contains(&word.as_str()) {
                    "it is incomplete, or brackets in a name do not match"
                } else {
                    "there are no such lines"
                };
                let meant = nearest(word.as_bytes(), KEYWORDS.iter().map(|word| word.as_bytes()));
                let meant = meant.filter(|meant| *meant != word.as_bytes()).map(crate::text);
                format!(
                    "the line that begins with '{word}' is ignored: {reason}{}",
                    super::names::meant(meant)
                )
            }
            other => crate::text(&words::config(other).1),
        };
        Finding { level: Level::Error, place, line, module: None, text }
    };
    problems.iter().map(finding).collect()
}

const KEYWORDS: [&str; 7] = ["alias", "blacklist", "options", "install", "remove", "softdep", "weakdep"];

/// Looks at the files of these directories of modprobe.d, and at these files.
pub(super) fn check(places: &[PathBuf]) -> Vec<Finding> {
    let (files, directories): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.is_file());
    let mut findings: Vec<Finding> = files.into_iter().flat_map(|path| file(path, Ends::Count)).collect();
    findings.extend(in_directories(directories, Ends::Count));
    findings
}

/// Looks at the files of these directories of modutils.d.
pub(super) fn check_modutils(directories: &[PathBuf]) -> Vec<Finding> {
    in_directories(directories, Ends::AreSpace)
}

/// What a carriage return at the end of a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// A part of the last word.
    Count,
    /// White space.
    AreSpace,
}

fn in_directories<'p>(directories: impl IntoIterator<Item = &'p PathBuf>, ends: Ends) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name.as_bytes().starts_with(b".") || path.is_dir() {
                continue;
            }
            if name.as_bytes().ends_with(b".conf") {
                if let Some(first) = seen.get(&name) {
                    let text = format!("not read, {} has the same name and comes before", first.display());
                    findings.push(note(Level::Note, &path, None, &text));
                    continue;
                }
                findings.extend(file(&path, ends));
                seen.insert(name, path);
            } else if path.is_file() {
                findings.push(note(Level::Note, &path, None, "not read, its name does not end in .conf"));
            }
        }
    }
    findings
}

fn note(level: Level, path: &Path, line: Option<u32>, text: &str) -> Finding {
    Finding { level, place: path.display().to_string(), line, module: None, text: text.to_owned() }
}

fn file(path: &Path, ends: Ends) -> Vec<Finding> {
    let Ok(text) = regular::read(path, LONGEST_FILE) else { return Vec::new() };
    let mut findings = Vec::new();
    if text.starts_with(BYTE_ORDER_MARK) {
        let text = "a byte order mark stands before the first word, which is not understood because of it";
        findings.push(note(Level::Error, path, Some(1), text));
    }
    let ends_in_return =
        |line: &[u8]| line.last() == Some(&b'\r') && !line.starts_with(b"#") && line.trim_ascii() != b"";
    if ends == Ends::Count
        && let Some(at) = text.split(|&byte| byte == b'\n').position(ends_in_return)
    {
        let line = u32::try_from(at).ok().and_then(|at| at.checked_add(1));
        let text = "lines end in CR LF, and the CR is taken for a part of the last word";
        findings.push(note(Level::Error, path, line, text));
    }
    findings
}
