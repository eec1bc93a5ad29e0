//! Circles of modules within a crate: a module that is used by what it uses can be understood, tested and moved only
//! together with it.
//!
//! Only paths that begin with `crate`, `super` or `self` count, wherever they stand outside of comments and tests, and
//! only between modules that have files of their own. The root of a crate is no part of a circle: it is the table of
//! contents, and what it offers again is taken from it.

use std::collections::{BTreeMap, BTreeSet};

use super::source;

/// Modules by their path within the crate, such as `["plan", "load"]`, and which others they use.
type Uses = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// The circles among the files of one crate, given by their paths below `src` and their text; each as one line.
pub fn among(files: &[(&str, &str)]) -> Vec<String> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(|(path, _)| module(path)).collect();
    let mut uses = Uses::new();
    for (path, text) in files {
        let of = module(path);
        let used = used(text, &of);
        let used = used.iter().filter_map(|path| resolve(path, &modules)).filter(|used| *used != of);
        uses.entry(of.clone()).or_default().extend(used.filter(|used| !used.is_empty()));
    }
    circles(&uses)
}

/// `plan/load.rs` and `plan/load/mod.rs` are both `plan::load`; `lib.rs` and `main.rs` are the root.
fn module(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || matches!(path, "lib.rs" | "main.rs") {
        parts.pop();
    }
    parts
}

/// The innermost module in which the item of a path can be.
fn resolve(path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    (0..=path.len())
        .rev()
        .filter_map(|len| path.get(..len))
        .find(|part| modules.contains(*part))
        .map(<[_]>::to_vec)
}

/// All paths in the text of module `of` that lead into the same crate, from its root.
fn used(text: &str, of: &[String]) -> Vec<Vec<String>> {
    let code = source::code(text);
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = ["crate::", "super::", "self::"].iter().filter_map(|word| rest.find(word)).min() {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_once("::").unwrap_or((from, ""));
        // `$crate` and names that end alike begin no such path.
        rest = if before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            after
        } else {
            let mut base = if word == "crate" { Vec::new() } else { of.to_vec() };
            if word == "super" {
                base.pop();
            }
            paths(after, base, &mut found)
        };
    }
    found
}

/// The paths that begin with `text`, behind `base`; a group in braces is several. Returns what follows them.
fn paths<'t>(text: &'t str, mut base: Vec<String>, found: &mut Vec<Vec<String>>) -> &'t str {
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                inside = paths(inside, base.clone(), found).trim_start();
                match inside.strip_prefix(',') {
                    Some(more) => inside = more,
                    None => return inside.strip_prefix('}').unwrap_or(inside),
                }
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match name {
            "" => break,
            "super" => drop(base.pop()),
            "self" => {}
            name => base.push(name.to_owned()),
        }
        rest = after;
        match after.strip_prefix("::") {
            Some(more) => rest = more.trim_start(),
            None => break,
        }
    }
    found.push(base);
    // An item under another name.
    let renamed = rest.trim_start().strip_prefix("as ").map(str::trim_start);
    renamed.map_or(rest, |name| name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// For each module that is used by what it uses, the shortest way back, once for each circle.
fn circles(uses: &Uses) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut shown = Vec::new();
    for start in uses.keys() {
        let Some(way) = way_back(uses, start) else { continue };
        if seen.insert(way.iter().cloned().collect::<BTreeSet<_>>()) {
            let names: Vec<String> = way.iter().chain([start]).map(|module| module.join("::")).collect();
            shown.push(names.join(" -> "));
        }
    }
    shown
}

fn way_back(uses: &Uses, start: &Vec<String>) -> Option<Vec<Vec<String>>> {
    let mut ways = vec![vec![start.clone()]];
    let mut met = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|last| uses.get(last)).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if met.insert(next.clone()) {
                    longer.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_whatever_the_paths_look_like() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use crate::a::A;"),
            ("a.rs", "use crate::{b::{self as other, Thing}, Root};"),
            ("b/mod.rs", "use self::c::C;"),
            ("b/c.rs", "fn f() { super::super::a::g() } // crate::d::x\n"),
            ("d.rs", "use crate::a::A;"),
        ];
        assert_eq!(among(&files), ["a -> b -> b::c -> a"]);
    }

    #[test]
    fn what_only_tests_use_and_what_the_root_offers_again_is_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use crate::a::A;"),
            ("a.rs", "use crate::b::B;\n#[cfg(test)]\nmod tests { use crate::c::C; }"),
            ("b.rs", "use crate::A;\nconst TEXT: &str = \"crate::a\";\n$crate::a::x!();"),
            ("c.rs", "use crate::a::A;"),
        ];
        assert!(among(&files).is_empty(), "{:?}", among(&files));
    }
}
