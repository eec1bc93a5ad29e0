//! Lines that other lines void, commands and softdeps that lead back to themselves, and what the kernel's command line
//! says otherwise than files.

use std::collections::{BTreeMap, BTreeSet};

use moddb::ModuleDb;
use moddb::config::{CommandRule, Config, Origin};
use modfile::wildcard::{is_literal, matches};
use modfile::{ModuleName, parameters};

use super::known::Known;
use super::{Finding, Level, text};

pub(super) fn check(db: &ModuleDb, known: &Known, kernel_command_line: &[u8]) -> Vec<Finding> {
    let config = db.config();
    let mut findings = repeated(config);
    findings.extend(beside_softdeps(config));
    findings.extend(own_commands(config));
    findings.extend(parameters_set_again(config));
    findings.extend(loops(db));
    findings.extend(forbidden(known, kernel_command_line));
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

/// An install command that calls modprobe for its own module runs itself again.
fn own_commands(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (verb, ignoring, commands) in
        [("install", "--ignore-install", &config.installs), ("remove", "--ignore-remove", &config.removes)]
    {
        for command in commands {
            for call in command.line.split(|byte| b";|&\n".contains(byte)) {
                let words: Vec<&[u8]> =
                    call.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
                let calls =
                    words.first().is_some_and(|word| *word == b"modprobe" || word.ends_with(b"/modprobe"));
                let removes = words.contains(&b"-r".as_slice()) || words.contains(&b"--remove".as_slice());
                let is_guarded = words.iter().any(|word| {
                    word.starts_with(b"--ignore-")
                        || word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'i')
                });
                let names_itself = words
                    .iter()
                    .skip(1)
                    .any(|word| matches(&command.pattern, ModuleName::new(word).as_bytes()));
                if calls && names_itself && !is_guarded && removes == (verb == "remove") {
                    let name = text(&command.pattern);
                    let what = format!(
                        "the {verb} command for {name} calls modprobe for {name} again: add {ignoring}"
                    );
                    findings.push(Finding::new(Level::Error, &command.origin, &command.pattern, what));
                    break;
                }
            }
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

/// Softdeps that lead back to where they begin.
fn loops(db: &ModuleDb) -> Vec<Finding> {
    let config = db.config();
    let mut findings = Vec::new();
    let mut told: BTreeSet<ModuleName> = BTreeSet::new();
    let targets = |module: &ModuleName| -> Vec<ModuleName> {
        let names = config.softdeps_of(module.as_bytes()).flat_map(|line| line.pre.iter().chain(&line.post));
        names.flat_map(|name| db.resolve(name)).map(|entry| entry.name).collect()
    };
    for softdep in config.softdeps.iter().filter(|softdep| is_literal(&softdep.pattern)) {
        let start = ModuleName::new(&softdep.pattern);
        if told.contains(&start) {
            continue;
        }
        let mut from: BTreeMap<ModuleName, ModuleName> = BTreeMap::new();
        let mut open = vec![start.clone()];
        while let Some(module) = open.pop() {
            for target in targets(&module) {
                if target == start {
                    let mut way = vec![start.to_text().into_owned()];
                    let mut at = &module;
                    while *at != start {
                        way.push(at.to_text().into_owned());
                        told.insert(at.clone());
                        let Some(before) = from.get(at) else { break };
                        at = before;
                    }
                    way.push(start.to_text().into_owned());
                    way.reverse();
                    let what = format!("softdeps lead in a circle: {}", way.join(" -> "));
                    findings.push(Finding::new(Level::Warning, &softdep.origin, start.as_bytes(), what));
                    open.clear();
                    break;
                }
                if !from.contains_key(&target) {
                    from.insert(target.clone(), module.clone());
                    open.push(target);
                }
            }
        }
    }
    findings
}

/// The names in `module_blacklist=`, which the kernel compares byte by byte.
fn forbidden(known: &Known, kernel_command_line: &[u8]) -> Vec<Finding> {
    let list = parameters::of_kernel(kernel_command_line, b"module_blacklist").unwrap_or_default();
    let names = list.split(|&byte| byte == b',').filter(|name| !name.is_empty());
    names
        .filter_map(|name| {
            let shown = text(name);
            let (level, what) = if name.contains(&b'-') {
                let right = shown.replace('-', "_");
                (
                    Level::Error,
                    format!(
                        "module_blacklist={shown} forbids nothing, names are compared as written: {right}"
                    ),
                )
            } else if known.is_built_in(name) {
                (Level::Warning, format!("module_blacklist={shown} has no effect: it is built in"))
            } else {
                return None;
            };
            Some(Finding::new(level, &Origin::KernelCommandLine, name, what))
        })
        .collect()
}
