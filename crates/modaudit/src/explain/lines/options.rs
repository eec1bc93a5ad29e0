//! The options lines that concern a module.

use moddb::config::{OptionsRule, Origin};
use modfile::parameters;
use modfile::wildcard::{is_literal, matches};
use modhint::causes::parameter;
use modhint::declared::Declared;
use modload::plan::{Action, Role, Step};

use super::{Asked, BUILT_IN, ConfigLine, is_builtin, line};
use crate::text;

pub(super) fn all(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
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
