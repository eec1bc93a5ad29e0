//! Lines that other lines void.

use std::collections::BTreeMap;

use moddb::config::{CommandRule, Config, Origin};
use modfile::parameters;
use modfile::wildcard::{is_literal, matches};

use super::{Finding, Level};
use crate::text;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = repeated(config);
    findings.extend(beside_softdeps(config));
    findings.extend(parameters_set_again(config));
    findings
}

/// Of several install or remove lines for a module the first counts; of softdep lines only for kmod.
fn repeated(config: &Config) -> Vec<Finding> {
    let commands = |list: &[CommandRule]| -> Vec<(Vec<u8>, Origin)> {
        list.iter().map(|command| (command.pattern.clone(), command.origin.clone())).collect()
    };
    let softdeps = config.softdeps.iter().map(|line| (line.pattern.clone(), line.origin.clone())).collect();
    let lists = [
        ("install", commands(&config.installs)),
        ("remove", commands(&config.removes)),
        ("softdep", softdeps),
    ];
    let mut findings = Vec::new();
    for (word, lines) in &lists {
        for (place, (pattern, origin)) in lines.iter().enumerate() {
            let covers = |(earlier, _): &&(Vec<u8>, Origin)| {
                earlier == pattern || is_literal(pattern) && matches(earlier, pattern)
            };
            if let Some((_, first)) = lines.iter().take(place).find(covers) {
                let name = text(pattern);
                let (level, what) = if *word == "softdep" {
                    (
                        Level::Note,
                        format!("kmod ignores this softdep line for {name}: it takes {first} alone"),
                    )
                } else {
                    let what = format!(
                        "this {word} line for {name} has no effect: {first} comes before, and only the first counts"
                    );
                    (Level::Warning, what)
                };
                findings.push(Finding::new(level, origin, pattern, what));
            }
        }
    }
    findings
}

/// kmod does not run an install command for a module that has softdeps.
fn beside_softdeps(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for command in config.installs.iter().filter(|command| is_literal(&command.pattern)) {
        let is_first = config.install_command(&command.pattern).is_some_and(|first| first == command);
        let mut softdeps = config.softdeps_of(&command.pattern);
        let softdep = softdeps.find(|softdep| !(softdep.pre.is_empty() && softdep.post.is_empty()));
        if let (true, Some(softdep)) = (is_first, softdep) {
            let what = format!(
                "kmod ignores the install line for {} because of the softdep in {}",
                text(&command.pattern),
                softdep.origin
            );
            findings.push(Finding::new(Level::Warning, &command.origin, &command.pattern, what));
        }
    }
    findings
}

/// Of several values for a parameter the last counts; the kernel's command line comes last.
fn parameters_set_again(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    // By module and parameter.
    let mut later = BTreeMap::new();
    for line in config.options.iter().rev() {
        let given: Vec<_> = parameters::given(&line.text).collect();
        for given in given.into_iter().rev() {
            let key = (line.module.as_slice(), given.shown_name());
            let Some(&(value, by)) = later.get(&key) else {
                let set: (Option<&[u8]>, &Origin) = (given.value, &line.origin);
                later.insert(key, set);
                continue;
            };
            let same = if value == given.value { ", to the same value" } else { "" };
            let what = format!(
                "{} of {} is set again in {by}{same}, and the last counts",
                text(given.name),
                text(&line.module)
            );
            let level = if same.is_empty() { Level::Warning } else { Level::Note };
            findings.push(Finding::new(level, &line.origin, &line.module, what));
        }
    }
    findings
}
