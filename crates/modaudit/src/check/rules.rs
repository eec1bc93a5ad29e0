//! What modutils.d says about what may be loaded: `forbid`, `deny-request` and `allow-request`.

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::wildcard::is_literal;
use modstate::rules::Rules;

use super::known::Known;
use super::modutils::finding;
use super::names::meant;
use super::{Finding, Level};
use crate::patterns::{covers, may_meet};
use crate::text;

pub(super) fn check(db: &ModuleDb, known: &Known, rules: &Rules) -> Vec<Finding> {
    let mut findings = forbidden(db, known, rules);
    findings.extend(requests(db, known, rules));
    findings
}

fn forbidden(db: &ModuleDb, known: &Known, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<_> = rules.forbidden_modules().collect();
    for (place, &(pattern, line)) in lines.iter().enumerate() {
        let name = text(pattern);
        let mut add = |level, what| findings.push(finding(level, line, pattern, what));
        if let Some((_, first)) = lines.iter().take(place).find(|(earlier, _)| covers(earlier, pattern)) {
            add(Level::Note, format!("{first} forbids {name} already"));
            continue;
        }
        if known.is_empty() {
            continue;
        }
        let Some(module) = known.first_matching(pattern, |_| true) else {
            let built_in = known.first_built_in(pattern);
            match built_in {
                Some(module) => {
                    add(Level::Warning, format!("{module} is built in, so forbidding it has no effect"));
                }
                None => {
                    let nearest =
                        if is_literal(pattern) { meant(known.nearest(pattern)) } else { String::new() };
                    add(Level::Note, format!("there is no module {name} here{nearest}"));
                }
            }
            continue;
        };
        if let (true, Some(other)) = (is_literal(pattern), known.dependent(module.as_bytes())) {
            add(Level::Note, format!("this also keeps out what depends on {name}, such as {other}"));
        }
    }
    findings.extend(in_vain(db, rules));
    findings
}

/// Lines of modprobe.d about modules that are never loaded.
fn in_vain(db: &ModuleDb, rules: &Rules) -> Vec<Finding> {
    let config = db.config();
    let lines = config.options.iter().map(|line| ("options", &line.module, &line.origin));
    let lines = lines.chain(config.installs.iter().map(|line| ("install", &line.pattern, &line.origin)));
    let lines = lines.chain(config.aliases.iter().map(|line| ("alias", &line.module, &line.origin)));
    let mut findings = Vec::new();
    for (word, name, origin) in lines.filter(|(_, name, _)| is_literal(name)) {
        if let Some(by) = rules.forbidden(&ModuleName::new(name)) {
            let what = format!("{} forbids {}, so this {word} line has no effect", by.line, text(name));
            findings.push(Finding::new(Level::Warning, origin, name, what));
        }
    }
    findings
}

fn requests(db: &ModuleDb, known: &Known, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let denied: Vec<_> = rules.denied_requests().collect();
    let allowed: Vec<_> = rules.allowed_requests().collect();
    if denied.is_empty() && allowed.is_empty() {
        return findings;
    }
    let aliases = known.aliases(db);
    for (place, &(pattern, line)) in denied.iter().enumerate() {
        let name = text(pattern);
        let mut add = |level, what| findings.push(finding(level, line, pattern, what));
        if let Some((_, first)) = denied.iter().take(place).find(|(earlier, _)| covers(earlier, pattern)) {
            add(Level::Note, format!("{first} denies {name} already"));
        } else if let Some((_, by)) = allowed.iter().find(|(allowed, _)| covers(allowed, pattern)) {
            add(Level::Warning, format!("{by} allows all of {name}, so this denies nothing"));
        } else if !known.is_empty() && !is_asked_for(known, &aliases, pattern) {
            add(Level::Note, format!("no module has an alias that {name} stands for"));
        }
    }
    for (place, &(pattern, line)) in allowed.iter().enumerate() {
        let name = text(pattern);
        let mut add = |level, what| findings.push(finding(level, line, pattern, what));
        if let Some((_, first)) = allowed.iter().take(place).find(|(earlier, _)| covers(earlier, pattern)) {
            add(Level::Note, format!("{first} allows {name} already"));
        } else if !denied.iter().any(|(denied, _)| may_meet(denied, pattern)) {
            add(Level::Warning, format!("nothing denies {name}, so there is nothing to allow"));
        }
    }
    findings
}

/// Whether the kernel's asking for such a name could load anything.
fn is_asked_for(known: &Known, aliases: &[Vec<u8>], pattern: &[u8]) -> bool {
    aliases.iter().any(|alias| may_meet(alias, pattern))
        || known.first_matching(pattern, |_| true).is_some()
        || known.first_built_in(pattern).is_some()
}
