//! Lines whose names mean nothing, or not what they seem to mean.

use moddb::ModuleDb;
use moddb::config::{Config, Origin};
use modfile::wildcard::is_literal;

use super::known::{Known, Meaning};
use super::{Finding, Level, text};

pub(super) fn check(db: &ModuleDb, known: &Known) -> Vec<Finding> {
    let config = db.config();
    let names = Names { db, known };
    let mut findings = names.blacklists(config);
    findings.extend(names.aliases(config));
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

impl Names<'_> {
    fn blacklists(&self, config: &Config) -> Vec<Finding> {
        let mut findings = Vec::new();
        for line in &config.blacklist {
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
            match self.known.meaning(self.db, &line.module) {
                Meaning::BuiltIn => {
                    add(Level::Warning, format!("{name} is built in, so blacklisting it has no effect"));
                }
                Meaning::Alias(modules) => {
                    let modules: Vec<_> =
                        modules.iter().map(|module| module.to_text().into_owned()).collect();
                    add(
                        Level::Warning,
                        format!(
                            "{name} is an alias, and blacklist knows modules only: {}",
                            modules.join(", ")
                        ),
                    );
                }
                Meaning::Nothing(nearest) => {
                    add(Level::Note, format!("there is no module {name} here{}", meant(nearest)));
                }
                Meaning::Module => {
                    let replaced = config.install_command(&line.module).is_some();
                    if let (Some(other), false) = (self.known.dependent(&line.module), replaced) {
                        let what = format!("{name} comes in anyway with what depends on it, such as {other}");
                        add(Level::Note, what);
                    }
                }
            }
        }
        findings
    }

    fn aliases(&self, config: &Config) -> Vec<Finding> {
        let mut findings = Vec::new();
        for alias in &config.aliases {
            let (pattern, name) = (text(&alias.pattern), text(&alias.module));
            let has_command = config.install_command(&alias.module).is_some();
            if self.known.has(&alias.module) || has_command {
                continue;
            }
            let what = match (name.as_str(), self.known.meaning(self.db, &alias.module)) {
                ("off" | "null", _) => {
                    format!(
                        "{name} is no module, so loading {pattern} fails; to keep it out: blacklist or install"
                    )
                }
                (_, Meaning::Alias(_)) => {
                    format!("{name} is an alias itself, which is not followed, so {pattern} loads nothing")
                }
                (_, Meaning::Nothing(nearest)) => {
                    format!("there is no module {name} here, so {pattern} loads nothing{}", meant(nearest))
                }
                _ => continue,
            };
            findings.push(Finding::new(Level::Warning, &alias.origin, &alias.module, what));
        }
        findings
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
                let modules: Vec<_> = modules.iter().map(|module| module.to_text().into_owned()).collect();
                (
                    Level::Note,
                    format!("{name} is an alias; {word} lines hold for modules: {}", modules.join(", ")),
                )
            }
            // An install line defines a name of its own, which needs no module.
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
