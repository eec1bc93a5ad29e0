//! By whom a module is used, as far as can be found: what is mounted, which devices and interfaces it drives,
//! which processes have its device nodes open. Only looked for when somebody reads it.

use modfile::ModuleName;
use modfile::name::normalize_alias;
use modfile::wildcard::matches;
use modkernel::users::{OpenNode, Views};

use crate::autoclean::aliases;
use crate::autoclean::evidence::{self, Sign, Sources, Subject};
use crate::places::Places;

/// More processes than this are counted, not named.
const NAMED: usize = 5;

/// What uses a module, a line each.
pub(crate) fn hints(places: &Places, module: &ModuleName) -> Vec<String> {
    let aliases = aliases::of_module(places, module).unwrap_or_default();
    let subject = Subject { name: module.clone(), aliases };
    let sources = Sources::new(&places.sys, &places.proc);
    let mounts = evidence::all_mounts(&sources, &subject);
    let mut hints = Vec::new();
    if !mounts.is_empty() {
        hints.push(format!("mounted: {}", mounts.join(", ")));
    }
    for sign in evidence::all(&sources, &subject) {
        match sign {
            Sign::Mounted { .. } | Sign::OutOfTree | Sign::Unreadable(_) => {}
            sign => hints.push(sign.to_string()),
        }
    }
    let views = Views { sys: &places.sys, proc: &places.proc, dev: &places.dev };
    let open = views.open_nodes(module, &|name| has_alias(&subject, name));
    if !open.is_empty() {
        hints.push(format!("open: {}", in_words(&open)));
    }
    hints
}

fn in_words(open: &[OpenNode]) -> String {
    let mut words: Vec<_> = open.iter().take(NAMED).map(OpenNode::to_string).collect();
    if let Some(more) = open.len().checked_sub(NAMED).filter(|&more| more > 0) {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Whether an alias of the module matches this name.
fn has_alias(subject: &Subject, name: &str) -> bool {
    let Ok(name) = normalize_alias(name.as_bytes()) else { return false };
    let aliases = subject.aliases.iter().filter_map(|alias| normalize_alias(alias).ok());
    aliases.into_iter().any(|alias| matches(&alias, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_named_up_to_a_number() {
        let open = |process| OpenNode { process, command: "cat".into(), node: "/dev/x".into() };
        assert_eq!(in_words(&[open(1)]), "/dev/x by cat (1)");
        let many: Vec<_> = (1..=7).map(open).collect();
        assert!(in_words(&many).ends_with("/dev/x by cat (5), and 2 more"));
    }

    #[test]
    fn aliases_are_patterns() {
        let subject = Subject { name: "m".into(), aliases: vec![b"char-major-116-*".to_vec()] };
        assert!(has_alias(&subject, "char-major-116-33"));
        assert!(!has_alias(&subject, "char-major-117-33"));
        assert!(!has_alias(&subject, "block-major-116-33"));
    }
}
