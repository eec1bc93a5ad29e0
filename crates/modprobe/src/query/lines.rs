//! The lines of the configuration that concern a module, also those that have no effect, and why they have none.

use std::fmt::Display;

use moddb::config::{CommandRule, Config, OptionsRule, Origin};
use moddb::{ModuleDb, ModuleEntry};
use modfile::wildcard::{is_literal, matches};
use modfile::{ModuleName, parameters};
use modhint::causes::parameter;
use modhint::declared::Declared;
use modload::plan::{Action, Role, Step};
use modstate::rules::Rules;

/// A line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigLine {
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
pub(crate) struct Asked<'a> {
    pub db: &'a ModuleDb,
    /// What modutils.d says.
    pub rules: &'a Rules,
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
pub(crate) fn all(asked: &Asked<'_>, steps: &[Step]) -> Vec<ConfigLine> {
    let mut lines: Vec<ConfigLine> = Vec::new();
    let mut add = |found: Vec<ConfigLine>| {
        for line in found {
            if !lines.iter().any(|known| known.origin == line.origin && known.text == line.text) {
                lines.push(line);
            }
        }
    };
    add(requests(asked));
    add(aliases(asked));
    for step in steps {
        add(of_kernel(asked, step));
        add(forbidding(asked, step));
        add(blacklists(asked, step));
        add(softdeps(asked, step));
        add(options(asked, step));
        add(commands(asked, step, "install", &asked.config().installs));
        add(commands(asked, step, "remove", &asked.config().removes));
    }
    lines
}

fn line(origin: &dyn Display, text: String, void: Option<String>) -> ConfigLine {
    ConfigLine { origin: origin.to_string(), text, counts: void.is_none(), note: void }
}

/// What modutils.d says about requests for the name.
fn requests(asked: &Asked<'_>) -> Vec<ConfigLine> {
    let name = modfile::name::normalize_alias(asked.name).unwrap_or_default();
    let mut allowed =
        asked.rules.allowed_requests().filter(|(pattern, _)| matches(pattern, &name)).peekable();
    let first = allowed.peek().map(|(_, line)| *line);
    let denied = asked.rules.denied_requests().filter(|(pattern, _)| matches(pattern, &name));
    let mut lines: Vec<ConfigLine> = denied
        .map(|(pattern, origin)| {
            let (counts, note) = match first {
                Some(first) => (false, format!("{first} allows it")),
                None => (true, "when the kernel asks".to_owned()),
            };
            ConfigLine {
                counts,
                note: Some(note),
                ..line(origin, format!("deny-request {}", text(pattern)), None)
            }
        })
        .collect();
    lines.extend(
        allowed.map(|(pattern, origin)| line(origin, format!("allow-request {}", text(pattern)), None)),
    );
    lines
}

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

fn is_builtin(asked: &Asked<'_>, step: &Step) -> bool {
    step.is_builtin || asked.is_builtin && step.role == Role::Target
}

const BUILT_IN: &str = "it is built in";

/// The kernel's own list, with which it compares byte by byte.
fn of_kernel(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let list = parameters::of_kernel(asked.command_line, b"module_blacklist").unwrap_or_default();
    let named = list.split(|&byte| byte == b',').filter(|name| ModuleName::new(name) == step.module);
    let lines = named.map(|name| {
        let void = if name != step.module.as_bytes() {
            Some(format!("names are compared as written here: write {}", step.module))
        } else {
            is_builtin(asked, step).then(|| BUILT_IN.to_owned())
        };
        line(&Origin::KernelCommandLine, format!("module_blacklist={}", text(name)), void)
    });
    lines.collect()
}

/// What modutils.d forbids.
fn forbidding(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let lines =
        asked.rules.forbidden_modules().filter(|(pattern, _)| matches(pattern, step.module.as_bytes()));
    let mut first = None;
    let lines = lines.map(|(pattern, origin)| {
        let void = match first {
            _ if is_builtin(asked, step) => Some(BUILT_IN.to_owned()),
            Some(first) => Some(format!("{first} says so already")),
            None => None,
        };
        first.get_or_insert(origin);
        line(origin, format!("forbid {}", text(pattern)), void)
    });
    lines.collect()
}

fn blacklists(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let mut lines = Vec::new();
    let mut first: Option<&Origin> = None;
    for listed in &asked.config().blacklist {
        // On the kernel's command line names count as they are written.
        let is_misspelt = listed.module != step.module.as_bytes();
        let shown = format!("blacklist {}", text(&listed.module));
        if let Some(why) = misdirected(asked, step, &listed.module) {
            lines.push(line(&listed.origin, shown, Some(why)));
            continue;
        }
        if ModuleName::new(&listed.module) != step.module {
            continue;
        }
        let why = if is_misspelt {
            Some(format!("names are compared as written here: write {}", step.module))
        } else if is_builtin(asked, step) {
            Some(BUILT_IN.to_owned())
        } else if let Some(first) = first {
            Some(format!("{first} says so already"))
        } else {
            match (step.role, &asked.entry.alias) {
                (Role::Target, Some(_)) => None,
                (Role::Target, None) => Some("it holds for aliases, and the module was named".to_owned()),
                (Role::Required, _) => Some("it does not hold for dependencies".to_owned()),
                (Role::Wished, _) => Some("it does not hold for softdeps".to_owned()),
            }
        };
        if !is_misspelt {
            first.get_or_insert(&listed.origin);
        }
        lines.push(line(&listed.origin, shown, why));
    }
    lines
}

/// Why a blacklist line that seems to name the module does not.
fn misdirected(asked: &Asked<'_>, step: &Step, listed: &[u8]) -> Option<String> {
    if !is_literal(listed) {
        return matches(listed, step.module.as_bytes()).then(|| "blacklist knows no patterns".to_owned());
    }
    let name = modfile::name::normalize_alias(asked.name).unwrap_or_default();
    let is_alias = step.role == Role::Target && listed == &*name && listed != step.module.as_bytes();
    is_alias.then(|| format!("blacklist knows modules only: {}", step.module))
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

fn options(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let alias = if step.role == Role::Target { asked.entry.alias.as_deref() } else { None };
    let found: Vec<_> = asked.config().options_of(step.module.as_bytes(), alias).collect();
    // What a file declares is read only if somebody sets something.
    let declared = match &step.action {
        _ if found.is_empty() => None,
        Action::File(path) => Declared::of_file(path).ok(),
        _ => asked.db.installed(&step.module).and_then(|line| Declared::of_file(&line.path).ok()),
    };
    let mut lines: Vec<ConfigLine> = Vec::new();
    for (place, options) in found.iter().enumerate() {
        let shown = format!("options {} {}", text(&options.module), text(&options.text));
        if is_builtin(asked, step) {
            let why = match options.origin {
                Origin::KernelCommandLine => None,
                Origin::File(_) => {
                    Some(format!("{BUILT_IN}: its parameters are set on the kernel command line"))
                }
            };
            lines.push(line(&options.origin, shown, why));
            continue;
        }
        let later = found.get(place + 1..).unwrap_or_default();
        let notes = parameter_notes(asked, step, options, later, declared.as_ref());
        let count = parameters::given(&options.text).count();
        lines.push(ConfigLine {
            counts: notes.is_empty() || notes.len() < count,
            note: Some(notes.join("; ")).filter(|notes| !notes.is_empty()),
            ..line(&options.origin, shown, None)
        });
    }
    lines.extend(other_options(asked, step, &found));
    lines
}

/// Why parameters of a line have no effect, for each that has none.
fn parameter_notes(
    asked: &Asked<'_>,
    step: &Step,
    options: &OptionsRule,
    later: &[&OptionsRule],
    declared: Option<&Declared>,
) -> Vec<String> {
    let is_module = |name: &[u8]| asked.db.resolve(name).iter().any(|entry| entry.path.is_some());
    let note = |given: parameters::Given<'_>| {
        let sets = |text| parameters::given(text).any(|other| other.is_named(given.name));
        if let Some(by) = later.iter().find(|other| sets(&other.text)) {
            return Some(format!("{} sets {} anew, and the last counts", by.origin, text(given.name)));
        }
        let declared = declared?;
        parameter::misfit(&given, declared)
            .or_else(|| parameter::unknown(&step.module, given.text, declared, &is_module).pop())
    };
    parameters::given(&options.text).filter_map(note).collect()
}

/// Options lines that seem to be for the module, and are for other names.
fn other_options(asked: &Asked<'_>, step: &Step, found: &[&OptionsRule]) -> Vec<ConfigLine> {
    let mut lines = Vec::new();
    for options in &asked.config().options {
        if found.iter().any(|known| std::ptr::eq(*known, options)) {
            continue;
        }
        let leads_here = || asked.db.find(&options.module).iter().any(|entry| entry.name == step.module);
        let why = if !is_literal(&options.module) {
            matches(&options.module, step.module.as_bytes()).then(|| "options knows no patterns".to_owned())
        } else if options.module != step.module.as_bytes() && leads_here() {
            Some(format!("it holds when the module is asked for as {}", text(&options.module)))
        } else {
            None
        };
        if why.is_some() {
            let shown = format!("options {} {}", text(&options.module), text(&options.text));
            lines.push(line(&options.origin, shown, why));
        }
    }
    lines
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
