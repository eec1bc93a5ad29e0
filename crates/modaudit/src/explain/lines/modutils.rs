//! The lines of modutils.d that concern a module: what forbids it, what runs around it, which settings of it survive,
//! and whether `rmmod -a` unloads it.

use modfile::wildcard::{is_literal, matches};
use modhint::declared::Declared;
use modload::plan::{Action, Step};
use modstate::config::{PersistRule, What};
use modstate::rules::Line;
use modstate::scripts::{Moment, Script};

use super::requests::{Names, shown};
use super::{Asked, BUILT_IN, ConfigLine, DISTRUSTED, is_builtin, line};
use crate::patterns::may_meet;
use crate::text;

/// What modutils.d forbids.
pub(super) fn forbidding(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let rules = asked.modutils.rules();
    let lines = rules.forbidden_modules().filter(|(pattern, _)| matches(pattern, step.module.as_bytes()));
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

/// The commands that are run around a load.
pub(super) fn around_loading(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let note = matches!(step.action, Action::Command { .. })
        .then_some("around what the install command does to it by calling modprobe");
    scripts(asked, step, &[Moment::PreInstall, Moment::PostInstall], note)
}

/// The commands that are run around an unload.
pub(super) fn around_unloading(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    scripts(asked, step, &[Moment::PreRemove, Moment::PostRemove], Some("when it is unloaded"))
}

fn scripts(asked: &Asked<'_>, step: &Step, moments: &[Moment], note: Option<&str>) -> Vec<ConfigLine> {
    let scripts = asked.modutils.scripts();
    let concerns =
        |script: &Script| moments.contains(&script.moment) && matches(&script.names, step.module.as_bytes());
    let of = |script: &Script, void: Option<&str>| {
        let void = if is_builtin(asked, step) { Some(BUILT_IN) } else { void };
        let note = void.or(note).map(str::to_owned);
        ConfigLine { note, ..line(&script.line, shown(script), void.map(str::to_owned)) }
    };
    let counting = scripts.all().iter().filter(|script| concerns(script)).map(|script| of(script, None));
    let others = scripts.distrusted().iter().filter(|script| concerns(script));
    counting.chain(others.map(|script| of(script, Some(DISTRUSTED)))).collect()
}

/// How long commands may take, where there are any.
pub(super) fn command_time(asked: &Asked<'_>) -> Vec<ConfigLine> {
    last_counts(asked.modutils.scripts().time_lines(), "command-time", None)
}

/// Lines with a number of which the last counts, if there is nothing else against it.
fn last_counts(lines: &[(u64, Line)], word: &str, void: Option<&str>) -> Vec<ConfigLine> {
    let last = lines.last().map(|(_, origin)| origin);
    let of = |(number, origin): &(u64, Line)| {
        let later = last.filter(|last| *last != origin);
        let later = later.map(|later| format!("{later} sets it anew, and the last counts"));
        line(origin, format!("{word} {number}"), void.map(str::to_owned).or(later))
    };
    lines.iter().map(of).collect()
}

/// Which settings survive.
pub(super) fn persisting(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let all = asked.modutils.persist_lines().iter();
    let found: Vec<&PersistRule> =
        all.filter(|rule| matches(&rule.modules, step.module.as_bytes())).collect();
    let declared = match &step.action {
        _ if found.is_empty() => None,
        Action::File(path) => Declared::of_file(path).ok(),
        _ => asked.db.installed(&step.module).and_then(|line| Declared::of_file(&line.path).ok()),
    };
    let of = |(place, rule): (usize, &&PersistRule)| {
        let void = if is_builtin(asked, step) {
            Some(BUILT_IN.to_owned())
        } else if let Some(first) = found.iter().take(place).find(|earlier| earlier.what == rule.what) {
            Some(format!("{} says so already", first.line))
        } else {
            declared.as_ref().and_then(|declared| lacking(&rule.what, declared)).map(str::to_owned)
        };
        line(&rule.line, persist(rule), void)
    };
    found.iter().enumerate().map(of).collect()
}

/// What a module lacks of what a line names.
pub(crate) fn lacking(what: &What, declared: &Declared) -> Option<&'static str> {
    match what {
        What::AllParameters if declared.names().next().is_none() => Some("it has no parameters"),
        What::Parameters(globs) => {
            let is_any = globs.iter().any(|glob| declared.names().any(|name| matches(glob, name)));
            (!is_any).then_some("it has no such parameter")
        }
        What::AllParameters | What::Sysctl(_) => None,
    }
}

fn persist(rule: &PersistRule) -> String {
    let what = match &rule.what {
        What::AllParameters => String::new(),
        What::Parameters(globs) => format!(" parameters {}", text(&globs.join(&b' '))),
        What::Sysctl(globs) => format!(" sysctl {}", text(&globs.join(&b' '))),
    };
    format!("persist {}{what}", text(&rule.modules))
}

/// Whether, and when, `rmmod -a` unloads the module.
pub(super) fn unloading_unused(asked: &Asked<'_>, names: &Names) -> Vec<ConfigLine> {
    let (config, module) = (asked.modutils, asked.entry.name.as_bytes());
    let keeping: Vec<_> = config.keep_lines().filter(|(pattern, _)| matches(pattern, module)).collect();
    let keep = keeping.first().map(|(_, origin)| *origin);
    let mut lines: Vec<ConfigLine> = Vec::new();
    for &(pattern, origin) in &keeping {
        let void = match keep {
            _ if asked.is_builtin => Some(BUILT_IN.to_owned()),
            Some(first) if first != origin => Some(format!("{first} says so already")),
            _ => None,
        };
        lines.push(line(origin, format!("keep {}", text(pattern)), void));
    }
    let kept = keep.map(|keep| format!("{keep} keeps it"));
    for (pattern, origin) in config.autoclean_lines() {
        let met = names.met(pattern);
        let Some(name) = met.first() else { continue };
        let void = if asked.is_builtin { Some(BUILT_IN.to_owned()) } else { kept.clone() };
        let note = void.clone().unwrap_or_else(|| format!("when it came in as {}", text(name)));
        let shown = format!("autoclean {}", text(pattern));
        lines.push(ConfigLine { note: Some(note), ..line(origin, shown, void) });
    }
    if !asked.is_builtin {
        lines.extend(last_counts(config.interval_lines(), "interval", kept.as_deref()));
    }
    lines
}

/// The lines that would hold for a module of a name that nothing has.
pub(super) fn of_no_module(asked: &super::Nothing<'_>) -> Vec<ConfigLine> {
    let (config, name) = (asked.modutils, asked.name);
    let mut lines = Vec::new();
    // A pattern that fits is about others.
    let names = |pattern: &[u8]| is_literal(pattern) && may_meet(pattern, name);
    let mut add =
        |origin: &Line, text: String| lines.push(line(origin, text, Some(super::NO_MODULE.to_owned())));
    for (pattern, origin) in config.rules().forbidden_modules().filter(|(pattern, _)| names(pattern)) {
        add(origin, format!("forbid {}", text(pattern)));
    }
    let scripts = config.scripts();
    let scripts = scripts.all().iter().chain(scripts.distrusted());
    for script in scripts.filter(|script| script.moment != Moment::OnRequest && names(&script.names)) {
        add(&script.line, shown(script));
    }
    for rule in config.persist_lines().iter().filter(|rule| names(&rule.modules)) {
        add(&rule.line, persist(rule));
    }
    for (pattern, origin) in config.keep_lines().filter(|(pattern, _)| names(pattern)) {
        add(origin, format!("keep {}", text(pattern)));
    }
    lines
}
