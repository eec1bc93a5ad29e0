//! The lines of the configuration that concern a module, also those that have no effect, and why they have none.

mod blacklists;
mod modutils;
mod options;
mod requests;

use std::fmt::Display;

use moddb::config::{CommandRule, Config, Origin, Softdep};
use moddb::{ModuleDb, ModuleEntry};
use modfile::name::normalize_alias;
use modfile::wildcard::matches;
use modfile::{ModuleName, modinfo};
use modload::plan::{Role, Step};
use modstate::config::ModutilsConfig;
use modstate::scripts::Moment;

use crate::text;
use requests::Names;

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

impl ConfigLine {
    /// Whether it is one whose command answers the kernel.
    pub(super) fn answers_the_kernel(&self) -> bool {
        self.counts && self.text.starts_with(Moment::OnRequest.word())
    }
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

/// A name that nothing has.
pub(super) struct Nothing<'a> {
    /// The module database, with modprobe.d.
    pub db: &'a ModuleDb,
    /// What modutils.d says.
    pub modutils: &'a ModutilsConfig,
    /// The name, in the form in which names are compared.
    pub name: &'a [u8],
}

const BUILT_IN: &str = "it is built in";
const NO_MODULE: &str = "there is no such module here";
const DISTRUSTED: &str = "commands count only in files that nobody but root can write";

/// Lines in the order in which they are found, each once.
#[derive(Default)]
struct Lines(Vec<ConfigLine>);

impl Lines {
    fn add(&mut self, found: Vec<ConfigLine>) {
        for line in found {
            if !self.0.iter().any(|known| known.origin == line.origin && known.text == line.text) {
                self.0.push(line);
            }
        }
    }

    /// Lines about the loading of a module that may be forbidden.
    fn add_unless(&mut self, forbidden: Option<&str>, found: Vec<ConfigLine>) {
        let voided = |line: ConfigLine| match forbidden {
            Some(why) if line.counts => ConfigLine { counts: false, note: Some(why.to_owned()), ..line },
            _ => line,
        };
        self.add(found.into_iter().map(voided).collect());
    }
}

/// The lines that concern the steps of a plan, each once, in the order in which they are looked at.
pub(super) fn all(asked: &Asked<'_>, steps: &[Step]) -> Vec<ConfigLine> {
    let names = names(asked);
    let mut lines = Lines::default();
    lines.add(requests::all(asked.modutils, &names, Some(&asked.entry.name)));
    lines.add(aliases(asked));
    for step in steps {
        let by = asked.modutils.rules().forbidden(&step.module).filter(|_| !is_builtin(asked, step));
        let forbidden = by.map(|by| format!("{} forbids {}", by.line, step.module));
        let forbidden = forbidden.as_deref();
        lines.add(blacklists::of_kernel(asked, step));
        lines.add(modutils::forbidding(asked, step));
        lines.add_unless(forbidden, blacklists::all(asked, step));
        lines.add_unless(forbidden, softdeps(asked, step));
        lines.add_unless(forbidden, options::all(asked, step));
        lines.add_unless(forbidden, commands(asked, step, "install", &asked.config().installs));
        lines.add_unless(forbidden, modutils::around_loading(asked, step));
        lines.add(commands(asked, step, "remove", &asked.config().removes));
        lines.add(modutils::around_unloading(asked, step));
        lines.add_unless(forbidden, modutils::persisting(asked, step));
    }
    if lines.0.iter().any(|line| line.counts && is_script(&line.text)) {
        lines.add(modutils::command_time(asked));
    }
    lines.add(modutils::unloading_unused(asked, &names));
    lines.0
}

/// The lines that concern a name that nothing has: the kernel may ask for it, and a line may have meant something else.
pub(super) fn of_nothing(nothing: &Nothing<'_>) -> Vec<ConfigLine> {
    let mut lines = Lines::default();
    let names = Names { given: nothing.name.to_vec(), others: Vec::new() };
    // Of requests in general there is nothing to say of a name for which no line stands.
    let of_requests = requests::all(nothing.modutils, &names, None);
    lines.add(of_requests.into_iter().filter(|line| line.text != requests::LOG).collect());
    let config = nothing.db.config();
    let is_name = |written: &[u8]| ModuleName::new(written).as_bytes() == nothing.name;
    let mut add = |origin: &Origin, text: String| {
        lines.add(vec![line(origin, text, Some(NO_MODULE.to_owned()))]);
    };
    for listed in config.blacklist.iter().filter(|listed| is_name(&listed.module)) {
        add(&listed.origin, format!("blacklist {}", text(&listed.module)));
    }
    for softdep in config.softdeps.iter().filter(|softdep| is_name(&softdep.pattern)) {
        add(&softdep.origin, shown_softdep(softdep));
    }
    for options in config.options.iter().filter(|options| is_name(&options.module)) {
        add(&options.origin, format!("options {} {}", text(&options.module), text(&options.text)));
    }
    lines.add(modutils::of_no_module(nothing));
    lines.0
}

/// Whether a line is one with a command of modutils.d.
fn is_script(line: &str) -> bool {
    line.split(' ').next().is_some_and(|word| Moment::of_word(word.as_bytes()).is_some())
}

/// The name that was given, and the others that the module has.
fn names(asked: &Asked<'_>) -> Names {
    let normalized = |name: &[u8]| normalize_alias(name).unwrap_or_default().into_owned();
    let rules = asked.modutils;
    let is_any = rules.rules().denied_requests().next().is_some()
        || rules.rules().allowed_requests().next().is_some()
        || rules.autoclean_lines().next().is_some()
        || rules.scripts().all().iter().any(|script| script.moment == Moment::OnRequest);
    let file = || match &asked.entry.path {
        Some(path) => modinfo::of_file(path).ok(),
        None => modinfo::of_file(&asked.db.installed(&asked.entry.name)?.path).ok(),
    };
    let mut others: Vec<Vec<u8>> = Vec::new();
    // The file is read only where there is something to compare its aliases with.
    if let Some(strings) = if is_any { file() } else { None } {
        others.extend(modinfo::values(&strings.section, "alias").map(normalized));
    }
    let of_lines = asked.config().aliases.iter().filter(|alias| alias.module == asked.entry.name.as_bytes());
    others.extend(of_lines.map(|alias| alias.pattern.clone()));
    others.push(asked.entry.name.as_bytes().to_vec());
    Names { given: normalized(asked.name), others }
}

fn line(origin: &dyn Display, text: String, void: Option<String>) -> ConfigLine {
    ConfigLine { origin: origin.to_string(), text, counts: void.is_none(), note: void }
}

fn is_builtin(asked: &Asked<'_>, step: &Step) -> bool {
    step.is_builtin || asked.is_builtin && step.role == Role::Target
}

/// Alias lines for the name, and those that lead to the module by other names.
fn aliases(asked: &Asked<'_>) -> Vec<ConfigLine> {
    let name = normalize_alias(asked.name).unwrap_or_default();
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

fn shown_softdep(softdep: &Softdep) -> String {
    let mut shown = format!("softdep {}", text(&softdep.pattern));
    for (word, names) in [(" pre: ", &softdep.pre), (" post: ", &softdep.post)] {
        if !names.is_empty() {
            shown.push_str(word);
            shown.push_str(&text(&names.join(&b' ')));
        }
    }
    shown
}

fn softdeps(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let module = step.module.as_bytes();
    let mut first: Option<&Origin> = None;
    let found = asked.config().softdeps.iter().filter(|softdep| matches(&softdep.pattern, module));
    found
        .map(|softdep| {
            let shown = shown_softdep(softdep);
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
