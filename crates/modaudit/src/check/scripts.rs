//! Commands of modutils.d: those that are never run, and those that cannot be.

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::wildcard::is_literal;
use modstate::scripts::{Moment, Script};

use super::known::Known;
use super::modutils::{self, Modutils, finding};
use super::{Finding, Level, programs};
use crate::patterns::{covers, may_meet};
use crate::text;

pub(super) fn check(db: &ModuleDb, known: &Known, modutils: &Modutils<'_>) -> Vec<Finding> {
    let scripts = modutils.config.scripts().all();
    let mut findings = Vec::new();
    for (place, script) in scripts.iter().enumerate() {
        let mut add = |level, what| findings.push(finding(level, &script.line, &script.names, what));
        let earlier = scripts.get(..place).unwrap_or_default();
        let never = match script.moment {
            Moment::OnRequest => unasked(db, known, modutils, script, earlier),
            _ => around_nothing(db, known, modutils, script),
        };
        if let Some((level, what)) = never {
            add(level, what);
        }
        if let Some((level, what)) = programs::check(&script.command, modutils) {
            add(level, what);
        }
    }
    findings
}

/// Why a command around a module is never run.
fn around_nothing(
    db: &ModuleDb,
    known: &Known,
    modutils: &Modutils<'_>,
    script: &Script,
) -> Option<(Level, String)> {
    let word = script.moment.word();
    let is_of_loading = matches!(script.moment, Moment::PreInstall | Moment::PostInstall);
    if is_of_loading
        && is_literal(&script.names)
        && let Some(by) = modutils.config.rules().forbidden(&ModuleName::new(&script.names))
    {
        let name = text(&script.names);
        return Some((Level::Warning, format!("{} forbids {name}, so this command is never run", by.line)));
    }
    modutils::modules(db, known, word, &script.names)
}

/// Why a command for a request is never run.
fn unasked(
    db: &ModuleDb,
    known: &Known,
    modutils: &Modutils<'_>,
    script: &Script,
    earlier: &[Script],
) -> Option<(Level, String)> {
    let (pattern, name) = (script.names.as_slice(), text(&script.names));
    let covered = |earlier: &&Script| earlier.moment == Moment::OnRequest && covers(&earlier.names, pattern);
    if let Some(first) = earlier.iter().find(covered) {
        let what = format!("{} comes before for all of {name}, so this command is never run", first.line);
        return Some((Level::Warning, what));
    }
    let rules = modutils.config.rules();
    let is_allowed = rules.allowed_requests().any(|(allowed, _)| may_meet(allowed, pattern));
    if let (Some((_, by)), false) =
        (rules.denied_requests().find(|(denied, _)| covers(denied, pattern)), is_allowed)
    {
        return Some((Level::Warning, format!("{by} denies {name}, so this command is never run")));
    }
    let answer = answering(db, known, pattern)?;
    Some((Level::Warning, format!("{answer} answers {name}, so this command is never run")))
}

/// The module that answers all of a pattern.
fn answering(db: &ModuleDb, known: &Known, pattern: &[u8]) -> Option<String> {
    if is_literal(pattern) {
        return Some(db.resolve(pattern).first()?.name.to_text().into_owned());
    }
    let mut aliases = known.module_aliases(db).into_iter();
    let (_, module) = aliases.find(|(alias, _)| covers(alias, pattern))?;
    Some(module.to_text().into_owned())
}
