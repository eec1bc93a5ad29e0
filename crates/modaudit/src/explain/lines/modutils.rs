//! The lines of modutils.d that concern a module or its name.

use modfile::wildcard::matches;
use modload::plan::Step;

use super::{Asked, BUILT_IN, ConfigLine, is_builtin, line};
use crate::text;

/// What modutils.d says about requests for the name.
pub(super) fn requests(asked: &Asked<'_>) -> Vec<ConfigLine> {
    let name = modfile::name::normalize_alias(asked.name).unwrap_or_default();
    let mut allowed =
        asked.modutils.rules().allowed_requests().filter(|(pattern, _)| matches(pattern, &name)).peekable();
    let first = allowed.peek().map(|(_, line)| *line);
    let denied = asked.modutils.rules().denied_requests().filter(|(pattern, _)| matches(pattern, &name));
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

/// What modutils.d forbids.
pub(super) fn forbidding(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
    let lines = asked
        .modutils
        .rules()
        .forbidden_modules()
        .filter(|(pattern, _)| matches(pattern, step.module.as_bytes()));
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
