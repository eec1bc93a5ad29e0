//! Lines whose names mean nothing, or not what they seem to mean.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use moddb::ModuleDb;
use moddb::config::{Config, Origin, Softdep};
use modfile::ModuleName;
use modfile::wildcard::is_literal;

use super::known::{Known, Meaning};
use super::{Finding, Level};
use crate::text;

pub(super) fn check(db: &ModuleDb, known: &Known) -> Vec<Finding> {
    let config = db.config();
    let names = Names { db, known };
    let mut findings = names.blacklists(config);
    for (word, commands) in [("install", &config.installs), ("remove", &config.removes)] {
        for command in commands {
            findings.extend(names.pattern(word, &command.pattern, &command.origin));
        }
    }
    for softdep in &config.softdeps {
        findings.extend(names.pattern("softdep", &softdep.pattern, &softdep.origin));
        for name in softdep.pre.iter().chain(&softdep.post) {
            findings.extend(names.wish(&softdep.pattern, name, &softdep.origin));
        }
    }
    for weakdep in &config.weakdeps {
        findings.extend(names.pattern("weakdep", &weakdep.pattern, &weakdep.origin));
    }
    findings
}

struct Names<'a> {
    db: &'a ModuleDb,
    known: &'a Known,
}

/// `; did you mean NAME?`
pub(super) fn meant(nearest: Option<String>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Names of modules, one after the other.
pub(super) fn in_text(modules: &[ModuleName]) -> String {
    modules.iter().map(|module| module.to_text().into_owned()).collect::<Vec<_>>().join(", ")
}

impl Names<'_> {
    fn blacklists(&self, config: &Config) -> Vec<Finding> {
        let mut findings = Vec::new();
        let aliased = OnceCell::new();
        let aliased = || aliased.get_or_init(|| self.known.aliased(self.db));
        for (place, line) in config.blacklist.iter().enumerate() {
            let name = text(&line.module);
            let mut add = |level, what: String| {
                findings.push(Finding::new(level, &line.origin, &line.module, what));
            };
            if line.module.contains(&b'-') {
                let right = name.replace('-', "_");
                add(
                    Level::Error,
                    format!("{name} is compared as written here, so it blacklists nothing: write {right}"),
                );
                continue;
            }
            if !is_literal(&line.module) {
                add(Level::Error, format!("blacklist knows no patterns, so {name} blacklists nothing"));
                continue;
            }
            let mut earlier = config.blacklist.iter().take(place);
            if let Some(first) = earlier.find(|earlier| earlier.module == line.module) {
                add(Level::Note, format!("{} blacklists {name} already", first.origin));
                continue;
            }
            match self.known.meaning(self.db, &line.module) {
                Meaning::BuiltIn => {
                    add(Level::Warning, format!("{name} is built in, so blacklisting it has no effect"));
                }
                Meaning::Alias(modules) => {
                    let modules = in_text(&modules);
                    add(
                        Level::Warning,
                        format!("{name} is an alias, and blacklist knows modules only: {modules}"),
                    );
                }
                Meaning::Nothing(nearest) => {
                    add(Level::Note, format!("there is no module {name} here{}", meant(nearest)));
                }
                Meaning::Module => {
                    let replaced = config.install_command(&line.module).is_some();
                    if let (Some(why), false) = (self.way_in(&line.module, &aliased), replaced) {
                        add(Level::Note, why);
                    }
                }
            }
        }
        findings
    }

    /// How a blacklisted module comes in anyway.
    fn way_in<'a>(&self, module: &[u8], aliased: &impl Fn() -> &'a BTreeSet<ModuleName>) -> Option<String> {
        let name = text(module);
        if let Some(other) = self.known.dependent(module) {
            return Some(format!("{name} comes in anyway with what depends on it, such as {other}"));
        }
        let wishes = |line: &&Softdep| {
            line.pre.iter().chain(&line.post).any(|wished| ModuleName::new(wished).as_bytes() == module)
        };
        if let Some(line) = self.db.config().softdeps.iter().find(wishes) {
            return Some(format!("{name} comes in anyway by the softdep of {}", text(&line.pattern)));
        }
        let is_aliased = aliased().contains(&ModuleName::new(module));
        (!is_aliased).then(|| format!("no alias leads to {name}, and its name loads it anyway"))
    }

    /// The module or modules for which an install, remove or softdep line stands.
    fn pattern(&self, word: &str, pattern: &[u8], origin: &Origin) -> Option<Finding> {
        let name = text(pattern);
        let (level, what) = match self.known.meaning(self.db, pattern) {
            Meaning::Module => return None,
            Meaning::BuiltIn => {
                (Level::Warning, format!("{name} is built in, so this {word} line has no effect"))
            }
            Meaning::Alias(modules) => {
                let modules = in_text(&modules);
                (Level::Note, format!("{name} is an alias; {word} lines hold for modules: {modules}"))
            }
            // An install line defines a name of its own, which needs no module.
            Meaning::Nothing(None) if word == "install" && is_literal(pattern) => {
                (Level::Note, format!("there is no module {name} here, so only that name runs this command"))
            }
            Meaning::Nothing(None) if word == "install" => return None,
            Meaning::Nothing(nearest) => {
                (Level::Note, format!("there is no module {name} here{}", meant(nearest)))
            }
        };
        Some(Finding::new(level, origin, pattern, what))
    }

    /// A name behind `pre:` or `post:`.
    fn wish(&self, module: &[u8], name: &[u8], origin: &Origin) -> Option<Finding> {
        if !self.db.resolve(name).is_empty() {
            return None;
        }
        let nearest = match self.known.meaning(self.db, name) {
            Meaning::Nothing(nearest) => nearest,
            _ => None,
        };
        let what =
            format!("the softdep of {} on {} means nothing here{}", text(module), text(name), meant(nearest));
        Some(Finding::new(Level::Note, origin, module, what))
    }
}
