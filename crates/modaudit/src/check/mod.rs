//! What in the configuration is wrong or has no effect, held against the module database.
//!
//! [`files`] looks at how the files are written, [`names`] at the modules that lines name, [`aliases`] at where alias
//! lines lead, [`options`] at parameters, [`order`] at lines that others void, [`circles`] at what leads back to itself,
//! [`kernel`] at the kernel's command line. Of modutils.d [`rules`] looks at what may be loaded, [`scripts`] at commands,
//! whose [`programs`] may be missing, and [`modutils`] at the rest. Nothing is changed, and no line is judged that depmod
//! writes.

mod aliases;
mod circles;
mod files;
mod kernel;
mod known;
mod modutils;
mod names;
mod options;
mod order;
mod programs;
mod rules;
mod scripts;

use std::fmt::Write;
use std::path::PathBuf;

use modcli::json;
use moddb::ModuleDb;
use moddb::config::{ConfigProblem, Origin};
use modfile::ModuleName;

use known::Known;
pub use modutils::{Modutils, problem as modutils_problem};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It does not do what was meant.
    Error,
    /// It has no effect, or another than it seems.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The file, or the kernel command line.
    pub place: String,
    /// The line, if one is meant.
    pub line: Option<u32>,
    /// The module that the line names, if it names one.
    pub module: Option<ModuleName>,
    /// What is wrong, in words.
    pub text: String,
}

impl Finding {
    fn new(level: Level, origin: &Origin, module: &[u8], text: String) -> Self {
        let (place, line) = match origin {
            Origin::File(location) => (location.file.display().to_string(), Some(location.line)),
            Origin::KernelCommandLine => (origin.to_string(), None),
        };
        Self { level, place, line, module: Some(ModuleName::new(module)), text }
    }
}

/// Checks the configuration of a database. `problems` are those that came up when it was read, from `directories` or
/// files and from the kernel's command line.
#[must_use]
pub fn check(
    db: &ModuleDb,
    problems: &[ConfigProblem],
    directories: &[PathBuf],
    kernel_command_line: &[u8],
    modutils: &Modutils<'_>,
) -> Vec<Finding> {
    let known = Known::of(db);
    let mut findings = files::unread_lines(problems);
    findings.extend(modutils.problems.iter().cloned());
    findings.extend(files::check(directories));
    findings.extend(files::check_modutils(modutils.directories));
    if known.is_empty() {
        findings.push(Finding {
            level: Level::Error,
            place: db.directory().path().display().to_string(),
            line: None,
            module: None,
            text: "there is no module database here, so names are not checked: run depmod".to_owned(),
        });
    } else {
        findings.extend(names::check(db, &known));
        findings.extend(aliases::check(db, &known));
        findings.extend(options::check(db, &known));
    }
    findings.extend(order::check(db.config()));
    findings.extend(circles::check(db));
    findings.extend(kernel::check(db, &known, kernel_command_line));
    findings.extend(rules::check(db, &known, modutils.config.rules()));
    findings.extend(scripts::check(db, &known, modutils));
    findings.extend(modutils::check(db, &known, modutils.config));
    // Lines of modules' own directory are depmod's, not the administrator's.
    let made = db.directory().configuration();
    findings.retain(|finding| !made.iter().any(|file| file.display().to_string() == finding.place));
    findings.sort_by(|one, other| {
        (&one.place, one.line, one.level, &one.text).cmp(&(
            &other.place,
            other.line,
            other.level,
            &other.text,
        ))
    });
    findings.dedup();
    findings
}

/// The findings for people, with their number.
#[must_use]
pub fn as_text(findings: &[Finding]) -> String {
    let mut page = String::new();
    for finding in findings {
        let line = finding.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let _ = writeln!(page, "{}{line}: {}: {}", finding.place, finding.level.word(), finding.text);
    }
    let count = |level: Level| {
        let count = findings.iter().filter(|finding| finding.level == level).count();
        format!("{count} {}{}", level.word(), if count == 1 { "" } else { "s" })
    };
    let counts = [Level::Error, Level::Warning, Level::Note].map(count);
    let _ = writeln!(page, "{}", counts.join(", "));
    page
}

/// The findings for programs: an array with an object for each.
#[must_use]
pub fn as_json(findings: &[Finding]) -> String {
    let objects = findings.iter().map(|finding| {
        let module = finding.module.as_ref().map(|module| module.to_text().into_owned());
        json::object(&[
            ("level", json::string(finding.level.word())),
            ("place", json::string(&finding.place)),
            ("line", finding.line.map_or_else(|| "null".to_owned(), |line| line.to_string())),
            ("module", json::optional(module.as_deref().map(json::string))),
            ("text", json::string(&finding.text)),
        ])
    });
    json::array(objects) + "\n"
}

#[cfg(test)]
mod tests;
