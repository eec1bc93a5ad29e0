//! The lines of the configuration that concern a module, also those that have no effect, and why they have none.

use moddb::ModuleEntry;
use moddb::config::{Config, Origin};
use modfile::wildcard::matches;
use modfile::{ModuleName, parameters};
use modload::plan::{Role, Step};

/// A line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
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
    pub config: &'a Config,
    /// The name that was given.
    pub name: &'a [u8],
    /// What it means.
    pub entry: &'a ModuleEntry,
    /// Whether that is part of the kernel.
    pub is_builtin: bool,
}

/// The lines that concern the steps of a plan, each once, in the order in which they are looked at.
pub(crate) fn all(asked: &Asked<'_>, steps: &[Step]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |found: Vec<Line>| {
        for line in found {
            if !lines.iter().any(|known| known.origin == line.origin && known.text == line.text) {
                lines.push(line);
            }
        }
    };
    add(aliases(asked));
    for step in steps {
        add(blacklists(asked, step));
        add(softdeps(asked, step));
        add(options(asked, step));
        add(installs(asked, step));
    }
    lines
}

fn line(origin: &Origin, text: String, void: Option<String>) -> Line {
    Line { origin: origin.to_string(), text, counts: void.is_none(), note: void }
}

fn aliases(asked: &Asked<'_>) -> Vec<Line> {
    let name = modfile::name::normalize_alias(asked.name).unwrap_or_default();
    let aliases = asked.config.aliases_of(&name);
    aliases
        .map(|alias| {
            let shown = format!("alias {} {}", text(&alias.pattern), text(&alias.module));
            let leads_here = alias.module == asked.entry.name.as_bytes();
            Line {
                note: (!leads_here).then(|| format!("leads to {}", text(&alias.module))),
                ..line(&alias.origin, shown, None)
            }
        })
        .collect()
}

fn is_builtin(asked: &Asked<'_>, step: &Step) -> bool {
    step.is_builtin || asked.is_builtin && step.role == Role::Target
}

const BUILT_IN: &str = "it is built in";

fn blacklists(asked: &Asked<'_>, step: &Step) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut first: Option<&Origin> = None;
    for listed in &asked.config.blacklist {
        // On the kernel's command line names count as they are written.
        let is_misspelt = listed.module != step.module.as_bytes();
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
        lines.push(line(&listed.origin, format!("blacklist {}", text(&listed.module)), why));
    }
    lines
}

fn softdeps(asked: &Asked<'_>, step: &Step) -> Vec<Line> {
    let module = step.module.as_bytes();
    let mut first: Option<&Origin> = None;
    let found = asked.config.softdeps.iter().filter(|softdep| matches(&softdep.pattern, module));
    found
        .map(|softdep| {
            let mut shown = format!("softdep {}", text(&softdep.pattern));
            for (word, names) in [(" pre: ", &softdep.pre), (" post: ", &softdep.post)] {
                if !names.is_empty() {
                    shown.push_str(word);
                    shown.push_str(&text(&names.join(&b' ')));
                }
            }
            let (counts, note) = match first {
                _ if is_builtin(asked, step) => (false, Some(BUILT_IN.to_owned())),
                Some(first) => (true, Some(format!("kmod would take {first} alone"))),
                None => (true, None),
            };
            first.get_or_insert(&softdep.origin);
            Line { counts, note, ..line(&softdep.origin, shown, None) }
        })
        .collect()
}

fn options(asked: &Asked<'_>, step: &Step) -> Vec<Line> {
    let alias = if step.role == Role::Target { asked.entry.alias.as_deref() } else { None };
    let found: Vec<_> = asked.config.options_of(step.module.as_bytes(), alias).collect();
    let lines = found.iter().enumerate().map(|(place, options)| {
        let shown = format!("options {} {}", text(&options.module), text(&options.text));
        if is_builtin(asked, step) {
            let why = match options.origin {
                Origin::KernelCommandLine => None,
                Origin::File(_) => {
                    Some(format!("{BUILT_IN}: its parameters are set on the kernel command line"))
                }
            };
            return line(&options.origin, shown, why);
        }
        let later = found.iter().skip(place + 1);
        let voided = parameters::given(&options.text).find_map(|given| {
            let sets = |text| parameters::given(text).any(|other| other.is_named(given.name));
            let by = later.clone().find(|other| sets(&other.text))?;
            Some(format!("{} sets {} anew, and the last counts", by.origin, text(given.name)))
        });
        let only = parameters::given(&options.text).count() == 1;
        Line { counts: voided.is_none() || !only, note: voided, ..line(&options.origin, shown, None) }
    });
    lines.collect()
}

fn installs(asked: &Asked<'_>, step: &Step) -> Vec<Line> {
    let module = step.module.as_bytes();
    let softdep =
        asked.config.softdeps_of(module).find(|line| !(line.pre.is_empty() && line.post.is_empty()));
    let mut first: Option<&Origin> = None;
    let found = asked.config.installs.iter().filter(|command| matches(&command.pattern, module));
    found
        .map(|command| {
            let shown = format!("install {} {}", text(&command.pattern), text(&command.line));
            let (counts, note) = match (first, softdep) {
                _ if is_builtin(asked, step) => (false, Some(BUILT_IN.to_owned())),
                (Some(first), _) => (false, Some(format!("{first} comes before, and only the first counts"))),
                (None, Some(softdep)) => (
                    true,
                    Some(format!("kmod would not run it because of the softdep in {}", softdep.origin)),
                ),
                (None, None) => (true, None),
            };
            first.get_or_insert(&command.origin);
            Line { counts, note, ..line(&command.origin, shown, None) }
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
