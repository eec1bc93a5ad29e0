//! Commands and softdeps that lead back to where they begin.

use std::collections::{BTreeMap, BTreeSet};

use moddb::ModuleDb;
use moddb::config::CommandRule;
use modfile::ModuleName;
use modfile::wildcard::{is_literal, matches};

use super::{Finding, Level};
use crate::text;

/// More modules than this are not followed from one line.
const MOST_MODULES: usize = 10_000;

pub(super) fn check(db: &ModuleDb) -> Vec<Finding> {
    let mut findings = Vec::new();
    for verb in [Verb::Install, Verb::Remove] {
        findings.extend(of_one_command(db, verb));
        findings.extend(of_commands(db, verb));
    }
    findings.extend(of_softdeps(db));
    findings
}

/// What a command stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Install,
    Remove,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Remove => "remove",
        }
    }

    fn commands(self, db: &ModuleDb) -> &[CommandRule] {
        match self {
            Self::Install => &db.config().installs,
            Self::Remove => &db.config().removes,
        }
    }

    fn command_of<'a>(self, db: &'a ModuleDb, module: &ModuleName) -> Option<&'a CommandRule> {
        match self {
            Self::Install => db.config().install_command(module.as_bytes()),
            Self::Remove => db.config().remove_command(module.as_bytes()),
        }
    }
}

/// A call of modprobe within a command.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call<'a> {
    verb: Verb,
    /// Whether commands for the modules that it names are left out.
    is_guarded: bool,
    names: Vec<&'a [u8]>,
}

/// Options of modprobe that have a value in the word behind them.
const WITH_VALUE: [&[u8]; 8] =
    [b"-C", b"--config", b"-d", b"--dirname", b"-S", b"--set-version", b"-w", b"--wait"];

/// The calls of modprobe in a command, as far as its text shows them.
fn calls(line: &[u8]) -> Vec<Call<'_>> {
    let commands = line.split(|byte| b";|&\n(){}`".contains(byte));
    commands.filter_map(call).collect()
}

fn call(command: &[u8]) -> Option<Call<'_>> {
    let words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    // `exec modprobe`, `VARIABLE=value modprobe`, `if modprobe`.
    let before = |word: &&[u8]| word.contains(&b'=') || [&b"exec"[..], b"if", b"then", b"!"].contains(word);
    let mut words = words.skip_while(before);
    let program = words.next()?;
    if program != b"modprobe" && !program.ends_with(b"/modprobe") {
        return None;
    }
    let mut call = Call { verb: Verb::Install, is_guarded: false, names: Vec::new() };
    let mut takes_all = false;
    while let Some(word) = words.next() {
        // The rest is what the shell makes of it.
        if word.starts_with(b"$") || word.starts_with(b"<") || word.starts_with(b">") {
            continue;
        }
        let short =
            word.strip_prefix(b"-").filter(|letters| !letters.is_empty() && !letters.starts_with(b"-"));
        let has =
            |long: &[u8], letter: u8| word == long || short.is_some_and(|letters| letters.contains(&letter));
        if WITH_VALUE.contains(&word) {
            let _ = words.next();
        } else if word.starts_with(b"-") {
            call.is_guarded |= word.starts_with(b"--ignore-") || has(b"", b'i');
            takes_all |= has(b"--all", b'a');
            if has(b"--remove", b'r') {
                (call.verb, takes_all) = (Verb::Remove, true);
            }
        } else if takes_all || call.names.is_empty() {
            call.names.push(word);
        }
    }
    Some(call)
}

/// A command that calls modprobe for its own module runs itself again.
fn of_one_command(db: &ModuleDb, verb: Verb) -> Vec<Finding> {
    let mut findings = Vec::new();
    for command in verb.commands(db) {
        let is_itself = |name: &&[u8]| matches(&command.pattern, ModuleName::new(name).as_bytes());
        let calls_itself =
            |call: &Call<'_>| call.verb == verb && !call.is_guarded && call.names.iter().any(is_itself);
        if calls(&command.line).iter().any(calls_itself) {
            let (name, word) = (text(&command.pattern), verb.word());
            let what =
                format!("the {word} command for {name} calls modprobe for {name} again: add --ignore-{word}");
            findings.push(Finding::new(Level::Error, &command.origin, &command.pattern, what));
        }
    }
    findings
}

/// A module whose command counts, or one named with an option that leaves its command out.
type Node = (ModuleName, bool);

/// What comes in, or goes, with a module.
fn behind(db: &ModuleDb, verb: Verb, (module, with_command): &Node) -> Vec<Node> {
    let mut behind = Vec::new();
    if let (true, Some(command)) = (*with_command, verb.command_of(db, module)) {
        for call in calls(&command.line).iter().filter(|call| call.verb == verb) {
            let found = call.names.iter().flat_map(|name| db.resolve(name));
            behind.extend(found.map(|entry| (entry.name, !call.is_guarded)));
        }
    }
    if verb == Verb::Install {
        let needed = db.installed(module).map(|line| line.dependencies).unwrap_or_default();
        behind.extend(needed.into_iter().map(|needed| (needed.name, true)));
        behind.extend(wishes(db, module).into_iter().map(|wished| (wished, true)));
    }
    behind
}

/// The modules that softdep lines ask for.
fn wishes(db: &ModuleDb, module: &ModuleName) -> Vec<ModuleName> {
    let lines = db.config().softdeps_of(module.as_bytes());
    let names = lines.flat_map(|line| line.pre.iter().chain(&line.post));
    names.flat_map(|name| db.resolve(name)).map(|entry| entry.name).collect()
}

/// Commands that run each other, directly or by what modules need.
fn of_commands(db: &ModuleDb, verb: Verb) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told: BTreeSet<ModuleName> = BTreeSet::new();
    for command in verb.commands(db).iter().filter(|command| is_literal(&command.pattern)) {
        let start = (ModuleName::new(&command.pattern), true);
        // Of several lines only the first is run.
        let counts = verb.command_of(db, &start.0) == Some(command);
        if !counts || told.contains(&start.0) {
            continue;
        }
        let first = || -> Vec<Node> {
            let calls = calls(&command.line).into_iter().filter(|call| call.verb == verb);
            let named = calls.flat_map(|call| {
                let found = call.names.into_iter().flat_map(|name| db.resolve(name));
                found.map(move |entry| (entry.name, !call.is_guarded)).collect::<Vec<_>>()
            });
            // A command that calls itself is told of by itself.
            named.filter(|node| *node != start).collect()
        };
        let next = |node: &Node| if *node == start { first() } else { behind(db, verb, node) };
        if let Some(way) = way_back(&start, next) {
            let names: Vec<_> = way.iter().map(|(module, _)| module.to_text().into_owned()).collect();
            told.extend(way.into_iter().map(|(module, _)| module));
            let what = format!("{} commands lead in a circle: {}", verb.word(), names.join(" -> "));
            findings.push(Finding::new(Level::Error, &command.origin, &command.pattern, what));
        }
    }
    findings
}

/// Softdeps that ask for each other.
fn of_softdeps(db: &ModuleDb) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told: BTreeSet<ModuleName> = BTreeSet::new();
    for softdep in db.config().softdeps.iter().filter(|softdep| is_literal(&softdep.pattern)) {
        let start = ModuleName::new(&softdep.pattern);
        if told.contains(&start) {
            continue;
        }
        if let Some(way) = way_back(&start, |module| wishes(db, module)) {
            let names: Vec<_> = way.iter().map(|module| module.to_text().into_owned()).collect();
            told.extend(way);
            let what = format!("softdeps lead in a circle: {}", names.join(" -> "));
            findings.push(Finding::new(Level::Warning, &softdep.origin, start.as_bytes(), what));
        }
    }
    findings
}

/// The shortest way from a node back to it, with the node at both ends.
fn way_back<N: Clone + Ord>(start: &N, next: impl Fn(&N) -> Vec<N>) -> Option<Vec<N>> {
    let mut from: BTreeMap<N, N> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start.clone()]);
    while let Some(node) = open.pop_front() {
        for target in next(&node) {
            if target == *start {
                let mut way = vec![start.clone()];
                let mut at = &node;
                while at != start {
                    way.push(at.clone());
                    at = from.get(at)?;
                }
                way.push(start.clone());
                way.reverse();
                return Some(way);
            }
            if from.len() < MOST_MODULES && !from.contains_key(&target) {
                from.insert(target.clone(), node.clone());
                open.push_back(target);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_modprobe_are_read_out_of_commands() {
        let shown = |line: &str| {
            let calls = calls(line.as_bytes()).into_iter();
            let one = |call: Call<'_>| {
                let names: Vec<_> = call.names.iter().map(|name| text(name)).collect();
                let guard = if call.is_guarded { " guarded" } else { "" };
                format!("{}{guard} {}", call.verb.word(), names.join(" "))
            };
            calls.map(one).collect::<Vec<_>>()
        };
        assert_eq!(
            shown("/sbin/modprobe -i a $CMDLINE_OPTS && modprobe b x=1"),
            ["install guarded a", "install b"]
        );
        assert_eq!(shown("A=1 exec modprobe -qa a b; modprobe -r c d"), ["install a b", "remove c d"]);
        assert_eq!(shown("{ modprobe -C /x --ignore-install a; }"), ["install guarded a"]);
        assert_eq!(shown("if modprobe a 2>/dev/null; then echo modprobe b; fi"), ["install a"]);
        assert_eq!(shown("/bin/false"), [""; 0]);
    }
}
