//! The lines of the configuration that concern a module, also those that have no effect, and why they have none.

mod blacklists;
mod modutils;
mod options;

use std::fmt::Display;

use moddb::config::{CommandRule, Config, Origin};
use moddb::{ModuleDb, ModuleEntry};
use modfile::wildcard::matches;
use modload::plan::{Role, Step};
use modstate::config::ModutilsConfig;

use crate::text;

/// A line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLine {
    /// Where it stands.
    pub origin: String,
    /// What it says.
    pub text: String,
    /// Whether it has an effect.
    pub counts: bool,
    /// Why it has none, or what there is to know about its effect.
    pub note: Option<String>,
}

/// What is asked about.
pub(super) struct Asked<'a> {
    pub db: &'a ModuleDb,
    /// What modutils.d says.
    pub modutils: &'a ModutilsConfig,
    /// That of the kernel.
    pub command_line: &'a [u8],
    /// The name that was given.
    pub name: &'a [u8],
    /// What it means.
    pub entry: &'a ModuleEntry,
    /// Whether that is part of the kernel.
    pub is_builtin: bool,
}

impl Asked<'_> {
    fn config(&self) -> &Config {
        self.db.config()
    }
}

/// The lines that concern the steps of a plan, each once, in the order in which they are looked at.
pub(super) fn all(asked: &Asked<'_>, steps: &[Step]) -> Vec<ConfigLine> {
    let mut lines: Vec<ConfigLine> = Vec::new();
    let mut add = |found: Vec<ConfigLine>| {
        for line in found {
            if !lines.iter().any(|known| known.origin == line.origin && known.text == line.text) {
                lines.push(line);
            }
        }
    };
    add(modutils::requests(asked));
    add(aliases(asked));
    for step in steps {
        add(blacklists::of_kernel(asked, step));
        add(modutils::forbidding(asked, step));
        add(blacklists::all(asked, step));
        add(softdeps(asked, step));
        add(options::all(asked, step));
        add(commands(asked, step, "install", &asked.config().installs));
        add(commands(asked, step, "remove", &asked.config().removes));
    }
    lines
}

fn line(origin: &dyn Display, text: String, void: Option<String>) -> ConfigLine {
    ConfigLine { origin: origin.to_string(), text, counts: void.is_none(), note: void }
}

fn is_builtin(asked: &Asked<'_>, step: &Step) -> bool {
    step.is_builtin || asked.is_builtin && step.role == Role::Target
}

const BUILT_IN: &str = "it is built in";

/// Alias lines for the name, and those that lead to the module by other names.
fn aliases(asked: &Asked<'_>) -> Vec<ConfigLine> {
    let name = modfile::name::normalize_alias(asked.name).unwrap_or_default();
    let module = asked.entry.name.as_bytes();
    let shown = |pattern: &[u8], module: &[u8]| format!("alias {} {}", text(pattern), text(module));
    let mut lines: Vec<ConfigLine> = Vec::new();
    for alias in asked.config().aliases_of(&name) {
        let leads_here = alias.module == module;
        lines.push(ConfigLine {
            note: (!leads_here).then(|| format!("leads to {}", text(&alias.module))),
            ..line(&alias.origin, shown(&alias.pattern, &alias.module), None)
        });
    }
    let others = asked.config().aliases.iter();
    for alias in others.filter(|alias| alias.module == module && !matches(&alias.pattern, &name)) {
        lines.push(ConfigLine {
            note: Some("another name for it".to_owned()),
            ..line(&alias.origin, shown(&alias.pattern, &alias.module), None)
        });
    }
    lines
}

fn softdeps(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let module = step.module.as_bytes();
    let mut first: Option<&Origin> = None;
    let found = asked.config().softdeps.iter().filter(|softdep| matches(&softdep.pattern, module));
    found
        .map(|softdep| {
            let mut shown = format!("softdep {}", text(&softdep.pattern));
            for (word, names) in [(" pre: ", &softdep.pre), (" post: ", &softdep.post)] {
                if !names.is_empty() {
                    shown.push_str(word);
                    shown.push_str(&text(&names.join(&b' ')));
                }
            }
            let mut notes = Vec::new();
            for name in softdep.pre.iter().chain(&softdep.post) {
                if asked.db.resolve(name).is_empty() {
                    notes.push(format!("{} means nothing here", text(name)));
                }
            }
            if let Some(first) = first {
                notes.push(format!("kmod would take {first} alone"));
            }
            let (counts, note) = if is_builtin(asked, step) {
                (false, Some(BUILT_IN.to_owned()))
            } else {
                (true, Some(notes.join("; ")).filter(|notes| !notes.is_empty()))
            };
            first.get_or_insert(&softdep.origin);
            ConfigLine { counts, note, ..line(&softdep.origin, shown, None) }
        })
        .collect()
}

fn commands(asked: &Asked<'_>, step: &Step, word: &str, rules: &[CommandRule]) -> Vec<ConfigLine> {
    let module = step.module.as_bytes();
    let softdep =
        asked.config().softdeps_of(module).find(|line| !(line.pre.is_empty() && line.post.is_empty()));
    let mut first: Option<&Origin> = None;
    let found = rules.iter().filter(|command| matches(&command.pattern, module));
    found
        .map(|command| {
            let shown = format!("{word} {} {}", text(&command.pattern), text(&command.line));
            let (counts, note) = match (first, softdep) {
                _ if is_builtin(asked, step) => (false, Some(BUILT_IN.to_owned())),
                (Some(first), _) => (false, Some(format!("{first} comes before, and only the first counts"))),
                (None, _) if word == "remove" => (true, Some("when it is unloaded".to_owned())),
                (None, Some(softdep)) => (
                    true,
                    Some(format!("kmod would not run it because of the softdep in {}", softdep.origin)),
                ),
                (None, None) => (true, None),
            };
            first.get_or_insert(&command.origin);
            ConfigLine { counts, note, ..line(&command.origin, shown, None) }
        })
        .collect()
}
