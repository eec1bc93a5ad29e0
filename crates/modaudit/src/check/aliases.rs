//! Alias lines that lead nowhere, that nothing can reach, or that come before something else.

use moddb::ModuleDb;
use moddb::config::{Alias, Config};
use modfile::ModuleName;
use modfile::wildcard::is_literal;

use super::known::{Known, Meaning};
use super::names::{in_text, meant};
use super::{Finding, Level};
use crate::text;

pub(super) fn check(db: &ModuleDb, known: &Known) -> Vec<Finding> {
    // What names mean where no line of the configuration comes before.
    let plain = ModuleDb::new(db.directory().clone(), Config::default());
    let config = db.config();
    let mut findings = Vec::new();
    for (place, alias) in config.aliases.iter().enumerate() {
        let mut add = |level, what| findings.push(Finding::new(level, &alias.origin, &alias.module, what));
        let mut earlier = config.aliases.iter().take(place);
        if let Some(first) = earlier.find(|one| one.pattern == alias.pattern && one.module == alias.module) {
            add(Level::Note, format!("{} says so already", first.origin));
            continue;
        }
        if let Some(what) = unreachable(alias) {
            add(Level::Warning, what);
        }
        if let Some(what) = target(db, known, alias) {
            add(Level::Warning, what);
            continue;
        }
        if let Some(what) = hidden_module(config, known, alias) {
            add(Level::Warning, what);
        }
        if let Some(what) = hidden_aliases(&plain, alias) {
            add(Level::Note, what);
        }
    }
    findings
}

/// A name of that form is taken for a path, and no alias is looked at.
fn unreachable(alias: &Alias) -> Option<String> {
    let pattern = &alias.pattern;
    let is_path = pattern.starts_with(b"/") || pattern.starts_with(b"./");
    is_path
        .then(|| format!("nothing can reach {}: such a name is taken for the path of a file", text(pattern)))
}

/// What is wrong with the module that it leads to.
fn target(db: &ModuleDb, known: &Known, alias: &Alias) -> Option<String> {
    let config = db.config();
    let (pattern, name) = (text(&alias.pattern), text(&alias.module));
    if let Some(line) = config.blacklisted(&alias.module) {
        return Some(format!("{} blacklists {name}, so {pattern} loads nothing", line.origin));
    }
    if known.has(&alias.module) || config.install_command(&alias.module).is_some() {
        return None;
    }
    Some(match (name.as_str(), known.meaning(db, &alias.module)) {
        ("off" | "null", _) => {
            format!("{name} is no module, so loading {pattern} fails; to keep it out: blacklist or install")
        }
        (_, Meaning::Alias(_)) => {
            format!("{name} is an alias itself, which is not followed, so {pattern} loads nothing")
        }
        (_, Meaning::Nothing(nearest)) => {
            format!("there is no module {name} here, so {pattern} loads nothing{}", meant(nearest))
        }
        _ => return None,
    })
}

/// A module that its own name does not load any more.
fn hidden_module(config: &Config, known: &Known, alias: &Alias) -> Option<String> {
    let hidden = known.first_matching(&alias.pattern, |module| {
        // All aliases that fit count, so one of them may lead to the module itself.
        config.aliases_of(module.as_bytes()).all(|one| ModuleName::new(&one.module) != *module)
    })?;
    Some(format!(
        "{} is the name of a module, too, which this alias comes before: it loads {} instead",
        hidden.to_text(),
        text(&alias.module)
    ))
}

/// Modules that have this alias themselves, and are not loaded for it any more.
fn hidden_aliases(plain: &ModuleDb, alias: &Alias) -> Option<String> {
    if !is_literal(&alias.pattern) {
        return None;
    }
    let own = plain.find(&alias.pattern).into_iter().filter(|entry| entry.alias.is_some());
    let mut modules: Vec<ModuleName> = own.map(|entry| entry.name).collect();
    modules.dedup();
    if modules.is_empty() || modules.contains(&ModuleName::new(&alias.module)) {
        return None;
    }
    Some(format!(
        "{} is an alias of {}, too, which this line comes before",
        text(&alias.pattern),
        in_text(&modules)
    ))
}
