//! What of the blacklists concerns a module: the kernel's own, and that of modprobe.d.

use moddb::config::Origin;
use modfile::wildcard::{is_literal, matches};
use modfile::{ModuleName, parameters};
use modload::plan::{Role, Step};

use super::{Asked, BUILT_IN, ConfigLine, is_builtin, line};
use crate::text;

/// The kernel's own list, with which it compares byte by byte.
pub(super) fn of_kernel(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
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

/// The blacklist lines, also those that only seem to name the module.
pub(super) fn all(asked: &Asked<'_>, step: &Step) -> Vec<ConfigLine> {
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
