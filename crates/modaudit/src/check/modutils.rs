//! What modutils.d says: how its lines are found here, what of it could not be understood, and its lines about unloading,
//! the log and settings. [`rules`](super::rules) has those about what may be loaded, [`scripts`](super::scripts) those
//! with commands.

use std::path::{Path, PathBuf};

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::wildcard::{is_literal, matches};
use modhint::declared::Declared;
use modhint::nearest::nearest;
use modload::ModutilsProblem;
use modstate::config::{Directive, LineReason, ModutilsConfig, Problem, What};
use modstate::rules::Line;
use modstate::scripts::Moment;

use super::known::{Known, Meaning};
use super::names::{in_text, meant};
use super::{Finding, Level};
use crate::patterns::{covers, may_meet};
use crate::text;

/// What modutils.d says, and what could not be understood.
pub struct Modutils<'a> {
    /// What could be understood.
    pub config: &'a ModutilsConfig,
    /// What could not, as findings.
    pub problems: Vec<Finding>,
    /// Its directories.
    pub directories: &'a [PathBuf],
    /// The user to whom belongs what is run.
    pub owner: u32,
    /// Where programs are looked for, as in `PATH`.
    pub programs: &'a str,
}

/// The first words of lines, those of [`Moment`] excepted.
const WORDS: [&str; 10] = [
    "keep",
    "autoclean",
    "interval",
    "log-requests",
    "persist",
    "forbid",
    "deny-request",
    "allow-request",
    "command-time",
    "legacy-modules-conf",
];

/// A problem of modutils.d, as a finding.
#[must_use]
pub fn problem(problem: &ModutilsProblem) -> Finding {
    let level = match problem {
        ModutilsProblem::OldLine { .. } => Level::Warning,
        _ => Level::Error,
    };
    let (place, line, what): (&Path, _, _) = match problem {
        ModutilsProblem::File(problem) => (problem.path(), None, text(&modcli::words::config_file(problem))),
        ModutilsProblem::Line { file, problem } => {
            (file, u32::try_from(problem.line).ok(), bad_line(problem))
        }
        ModutilsProblem::Distrusted { file, reason } => {
            (file, None, text(&modcli::words::distrusted(file, &reason.path, &reason.reason)))
        }
        ModutilsProblem::OldFile { file, error } => (file, None, modcli::errno::chain(error)),
        ModutilsProblem::OldLine { file, line } => (file, None, line.to_string()),
    };
    Finding { level, place: place.display().to_string(), line, module: None, text: what }
}

fn bad_line(problem: &Problem) -> String {
    let LineReason::UnknownWord(word) = &problem.reason else {
        // Who wrote it relies on it.
        let open = if problem.directive == Directive::Closing { "; this line keeps nothing out" } else { "" };
        return format!("{}{open}", problem.reason);
    };
    let words = WORDS.iter().copied().chain(Moment::ALL.map(Moment::word));
    let nearest = nearest(word, words.map(str::as_bytes)).map(text);
    let word = text(word);
    format!("the line that begins with '{word}' is ignored: there are no such lines{}", meant(nearest))
}

/// Something about a line that names a module or an alias.
pub(super) fn finding(level: Level, line: &Line, name: &[u8], text: String) -> Finding {
    Finding { module: Some(ModuleName::new(name)), ..about(level, line, text) }
}

/// Something about a line that names none.
fn about(level: Level, line: &Line, text: String) -> Finding {
    let place = line.file.display().to_string();
    Finding { level, place, line: u32::try_from(line.number).ok(), module: None, text }
}

pub(super) fn check(db: &ModuleDb, known: &Known, config: &ModutilsConfig) -> Vec<Finding> {
    let mut findings = set_again(config);
    findings.extend(kept(db, known, config));
    findings.extend(trusted(db, known, config));
    findings.extend(persisted(db, known, config));
    findings
}

/// What is wrong with the pattern of module names in a line of this kind.
pub(super) fn modules(db: &ModuleDb, known: &Known, word: &str, pattern: &[u8]) -> Option<(Level, String)> {
    if known.is_empty() {
        return None;
    }
    let name = text(pattern);
    Some(match known.meaning(db, pattern) {
        Meaning::Module => return None,
        Meaning::BuiltIn => {
            (Level::Warning, format!("{name} is built in, so this {word} line has no effect"))
        }
        Meaning::Alias(modules) => {
            let modules = in_text(&modules);
            (Level::Warning, format!("{name} is an alias, and {word} knows modules only: {modules}"))
        }
        Meaning::Nothing(_) if !is_literal(pattern) => {
            (Level::Note, format!("there is no module here that {name} stands for"))
        }
        Meaning::Nothing(nearest) => {
            (Level::Note, format!("there is no module {name} here{}", meant(nearest)))
        }
    })
}

/// Lines of which one counts.
fn set_again(config: &ModutilsConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (word, lines) in
        [("interval", config.interval_lines()), ("command-time", config.scripts().time_lines())]
    {
        let Some(((_, last), earlier)) = lines.split_last() else { continue };
        findings.extend(earlier.iter().map(|(_, line)| {
            about(Level::Warning, line, format!("{last} sets {word} anew, and the last counts"))
        }));
    }
    if let Some((first, others)) = config.log_requests_lines().split_first() {
        findings
            .extend(others.iter().map(|line| about(Level::Note, line, format!("{first} says so already"))));
    }
    findings
}

fn kept(db: &ModuleDb, known: &Known, config: &ModutilsConfig) -> Vec<Finding> {
    let lines: Vec<_> = config.keep_lines().collect();
    let mut findings = Vec::new();
    for (place, &(pattern, line)) in lines.iter().enumerate() {
        if let Some((_, first)) = lines.iter().take(place).find(|(earlier, _)| covers(earlier, pattern)) {
            let what = format!("{first} keeps {} already", text(pattern));
            findings.push(finding(Level::Note, line, pattern, what));
        } else if let Some((level, what)) = modules(db, known, "keep", pattern) {
            findings.push(finding(level, line, pattern, what));
        }
    }
    findings
}

fn trusted(db: &ModuleDb, known: &Known, config: &ModutilsConfig) -> Vec<Finding> {
    let lines: Vec<_> = config.autoclean_lines().collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let aliases = known.aliases(db);
    let is_any = |pattern: &[u8]| {
        aliases.iter().any(|alias| may_meet(alias, pattern))
            || known.first_matching(pattern, |_| true).is_some()
    };
    let mut findings = Vec::new();
    for (place, &(pattern, line)) in lines.iter().enumerate() {
        let name = text(pattern);
        if let Some((_, first)) = lines.iter().take(place).find(|(earlier, _)| covers(earlier, pattern)) {
            findings.push(finding(Level::Note, line, pattern, format!("{first} trusts {name} already")));
        } else if !known.is_empty() && !is_any(pattern) {
            let what = format!("no module has an alias that {name} stands for");
            findings.push(finding(Level::Note, line, pattern, what));
        }
    }
    findings
}

fn persisted(db: &ModuleDb, known: &Known, config: &ModutilsConfig) -> Vec<Finding> {
    let lines = config.persist_lines();
    let mut findings = Vec::new();
    for (place, rule) in lines.iter().enumerate() {
        let pattern = rule.modules.as_slice();
        let mut add = |level, what| findings.push(finding(level, &rule.line, pattern, what));
        let says_the_same = |earlier: &&modstate::config::PersistRule| {
            earlier.what == rule.what && covers(&earlier.modules, pattern)
        };
        if let Some(first) = lines.iter().take(place).find(says_the_same) {
            add(Level::Note, format!("{} says so already", first.line));
            continue;
        }
        if let Some((level, what)) = modules(db, known, "persist", pattern) {
            add(level, what);
            continue;
        }
        let module = ModuleName::new(pattern);
        if !is_literal(pattern) || known.is_empty() {
            continue;
        }
        if let Some(by) = config.rules().forbidden(&module) {
            add(Level::Warning, format!("{} forbids {module}, so this persist line has no effect", by.line));
        }
        let Some(declared) = db.installed(&module).and_then(|line| Declared::of_file(&line.path).ok()) else {
            continue;
        };
        for what in lacking(&module, &rule.what, &declared) {
            add(Level::Warning, what);
        }
    }
    findings
}

/// What a line names that a module does not have.
fn lacking(module: &ModuleName, what: &What, declared: &Declared) -> Vec<String> {
    match what {
        What::AllParameters if declared.names().next().is_none() => {
            vec![format!("{module} has no parameters, so nothing of it is saved")]
        }
        What::Parameters(globs) => {
            let is_missing = |glob: &&Vec<u8>| !declared.names().any(|name| matches(glob, name));
            let missing = globs.iter().filter(is_missing);
            missing
                .map(|glob| {
                    let nearest = if is_literal(glob) { nearest(glob, declared.names()) } else { None };
                    format!("{module} has no parameter {}{}", text(glob), meant(nearest.map(text)))
                })
                .collect()
        }
        What::AllParameters | What::Sysctl(_) => Vec::new(),
    }
}
