//! Which module uses which, as an indented tree: below a module stand those that it uses.

use std::collections::{HashMap, HashSet};

use modcli::table::{self, plain};
use modfile::ModuleName;

use crate::modules::Module;

/// The modules by name, and what each of them uses.
struct Uses<'a> {
    modules: HashMap<&'a ModuleName, &'a Module>,
    used: HashMap<&'a ModuleName, Vec<&'a ModuleName>>,
}

/// The trees of the named modules; of all that no module uses if none is named. `users` says what else uses one.
pub(crate) fn text(modules: &[Module], names: &[ModuleName], users: &dyn Fn(&Module) -> String) -> String {
    let mut uses = Uses { modules: HashMap::new(), used: HashMap::new() };
    for module in modules {
        uses.modules.insert(&module.name, module);
        for holder in &module.holders {
            uses.used.entry(holder).or_default().push(&module.name);
        }
    }
    let roots: Vec<&Module> = if names.is_empty() {
        modules.iter().filter(|module| module.holders.is_empty()).collect()
    } else {
        names.iter().filter_map(|name| uses.modules.get(name).copied()).collect()
    };
    let mut rows = Vec::new();
    let mut shown = HashSet::new();
    for root in roots {
        rows.push([plain(root.name.as_bytes()), note(root, None, users)]);
        below(root, "", &uses, users, &mut shown, &mut rows);
    }
    table::lines(&rows)
}

/// The rows below a module, each behind lines that lead to it. What a module uses is shown where it comes first.
fn below<'a>(
    module: &'a Module,
    indent: &str,
    uses: &Uses<'a>,
    users: &dyn Fn(&Module) -> String,
    shown: &mut HashSet<&'a ModuleName>,
    rows: &mut Vec<[String; 2]>,
) {
    if !shown.insert(&module.name) {
        if uses.used.contains_key(&module.name) {
            rows.push([format!("{indent}└─ ..."), "as above".to_owned()]);
        }
        return;
    }
    let used: Vec<&Module> = uses
        .used
        .get(&module.name)
        .into_iter()
        .flatten()
        .filter_map(|name| uses.modules.get(name).copied())
        .collect();
    for (number, child) in (1..).zip(&used) {
        let (branch, deeper) = if number == used.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let name = plain(child.name.as_bytes());
        rows.push([format!("{indent}{branch}{name}"), note(child, Some(&module.name), users)]);
        below(child, &format!("{indent}{deeper}"), uses, users, shown, rows);
    }
}

/// Who uses a module, beside the one above it.
fn note(module: &Module, above: Option<&ModuleName>, users: &dyn Fn(&Module) -> String) -> String {
    let others: Vec<String> = module
        .holders
        .iter()
        .filter(|holder| Some(*holder) != above)
        .map(|holder| plain(holder.as_bytes()))
        .collect();
    let mut parts = Vec::new();
    if !others.is_empty() {
        let also = if above.is_some() { "also used by " } else { "used by " };
        parts.push(format!("{also}{}", others.join(", ")));
    }
    parts.extend(Some(users(module)).filter(|users| !users.is_empty()));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, use_count: i32, holders: &[&str]) -> Module {
        let holders = holders.iter().map(|&holder| holder.into()).collect();
        Module { name: name.into(), size: 1, use_count, holders }
    }

    fn users(module: &Module) -> String {
        if module.name == "xfs".into() { "2 mounts".to_owned() } else { String::new() }
    }

    #[test]
    fn what_a_module_uses_stands_below_it() {
        let modules = [
            module("xfs", 2, &[]),
            module("nf_nat", 0, &[]),
            module("nf_conntrack", 1, &["nf_nat"]),
            module("libcrc32c", 3, &["nf_conntrack", "nf_nat", "xfs"]),
            module("crc32c_generic", 1, &["libcrc32c"]),
        ];
        assert_eq!(
            text(&modules, &[], &users),
            "xfs                   2 mounts\n\
             └─ libcrc32c          also used by nf_conntrack, nf_nat\n   \
             └─ crc32c_generic\n\
             nf_nat\n\
             ├─ nf_conntrack\n\
             │  └─ libcrc32c       also used by nf_nat, xfs\n\
             │     └─ ...          as above\n\
             └─ libcrc32c          also used by nf_conntrack, xfs\n   \
             └─ ...             as above\n"
        );
        assert_eq!(
            text(&modules, &["libcrc32c".into()], &users),
            "libcrc32c          used by nf_conntrack, nf_nat, xfs\n└─ crc32c_generic\n"
        );
    }

    #[test]
    fn modules_that_use_each_other_end_the_tree() {
        let modules = [module("a", 1, &["b"]), module("b", 1, &["a"])];
        let text = text(&modules, &["a".into()], &users);
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
