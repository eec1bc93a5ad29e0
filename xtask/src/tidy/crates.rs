//! The crates as ARCHITECTURE.md shows them, compared with their manifests, and what libraries must do without.
//!
//! The picture is the first block of the section "The crates", of lines `A, B --> C, D`: A and B use C and D. An arrow
//! that others imply may be missing, as in `A --> B --> C`; one that no manifest has may not be there. Of the table,
//! every crate has a row, and the crates that the last column names in backticks are not used, not even through others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source;

/// Crates, and those that they use.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// What a library must do without: what it needs is passed in, and what it finds is returned.
const OUTSIDE: [&str; 11] = [
    "std::env",
    "env::var",
    "env::args",
    "SystemTime::now",
    "Instant::now",
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "process::exit",
    "process::abort",
];

/// Where the outside is let in: what all tools share, the C library, and the clock's own file.
const DOORS: [&str; 3] = ["crates/modcli/", "crates/libkmod/", "crates/modstate/src/clock.rs"];

/// The crates of the source tree and what their manifests say they use, tests left out.
pub fn of_manifests(root: &Path) -> Result<Arrows> {
    // Names that the workspace gives to our own; the rest of it may have one of the same name.
    let workspace = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml")?;
    let names: BTreeSet<String> = workspace.lines().filter_map(own).map(str::to_owned).collect();
    let mut manifests = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let entry = entry?;
        let manifest = entry.path().join("Cargo.toml");
        if manifest.is_file() {
            let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
            manifests.push((entry.file_name().to_string_lossy().into_owned(), text));
        }
    }
    Ok(manifests
        .into_iter()
        .map(|(name, text)| {
            let uses = dependencies(&text).into_iter().filter(|used| names.contains(used)).collect();
            (name, uses)
        })
        .collect())
}

/// The name of a crate of ours in a line of the workspace's dependencies.
fn own(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(" = ")?;
    value.contains("path = \"crates/").then_some(name)
}

/// The names in the sections of dependencies, those of one target included.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end() == "dependencies]" || section.trim_end().ends_with(".dependencies]");
        } else if inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.push(name.to_owned());
        }
    }
    names
}

/// What is wrong with the document, given the crates as they are.
pub fn check_document(document: &str, real: &Arrows) -> Vec<String> {
    let section = document.split("## The crates").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let picture = picture(section.split("```").nth(1).unwrap_or_default());
    let mut findings = Vec::new();
    for (name, uses) in &picture {
        for used in uses.iter().filter(|used| !real.get(name).is_some_and(|real| real.contains(*used))) {
            findings.push(format!("the picture shows {name} --> {used}, which its manifest lacks"));
        }
    }
    for (name, uses) in real {
        let reached = reached(&picture, name);
        for used in uses.iter().filter(|used| !reached.contains(*used)) {
            findings.push(format!("the picture lacks {name} --> {used}"));
        }
    }
    let rows = rows(section);
    for name in real.keys().filter(|name| !rows.contains_key(*name)) {
        findings.push(format!("{name} has no row in the table of crates"));
    }
    for (name, forbidden) in &rows {
        let reached = reached(real, name);
        for used in forbidden.iter().filter(|used| reached.contains(*used)) {
            findings.push(format!("{name} must not know {used}, and uses it"));
        }
    }
    findings
}

fn picture(block: &str) -> Arrows {
    let mut arrows = Arrows::new();
    for line in block.lines() {
        let Some((users, used)) = line.split_once("-->") else { continue };
        let names = |text: &str| {
            text.split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>()
        };
        for user in names(users) {
            arrows.entry(user).or_default().extend(names(used));
        }
    }
    arrows
}

/// All that a crate uses, also through others.
fn reached(arrows: &Arrows, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(name) = open.pop() {
        for used in arrows.get(name).into_iter().flatten() {
            if reached.insert(used.clone()) {
                open.push(used);
            }
        }
    }
    reached
}

/// The crates of the table, and those that the last column names.
fn rows(section: &str) -> Arrows {
    let mut rows = Arrows::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').collect();
        let (Some(first), Some(last)) = (columns.first(), columns.get(2)) else { continue };
        let quoted =
            |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
        for name in quoted(first) {
            rows.entry(name).or_default().extend(quoted(last));
        }
    }
    rows
}

/// Where a file of a library looks outside. Tools, which use modcli, may.
pub fn check_file(path: &str, text: &str, real: &Arrows) -> Vec<String> {
    let name = path.trim_start_matches("crates/").split('/').next().unwrap_or_default();
    let is_tool = real.get(name).is_none_or(|uses| uses.contains("modcli"));
    if is_tool || DOORS.iter().any(|door| path.starts_with(door)) {
        return Vec::new();
    }
    let code = source::code(text);
    OUTSIDE
        .iter()
        .filter(|word| code.contains(**word))
        .map(|word| {
            format!("{word} in a library, which prints nothing and reads neither environment nor clock")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(list: &[(&str, &[&str])]) -> Arrows {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        list.iter().map(|(name, uses)| ((*name).to_owned(), owned(uses))).collect()
    }

    const DOCUMENT: &str = "## The crates\n\n```\ntool --> low, high\nhigh --> low\n```\n\n| crate | knows | must not know |\n\
        |---|---|---|\n| `low` | x | paths |\n| `high` | y | |\n| `tool` | z | `other` |\n\n## More\n";

    #[test]
    fn a_picture_and_a_table_that_are_true_are_fine_also_without_implied_arrows() {
        let real = arrows(&[("low", &[]), ("high", &["low"]), ("tool", &["low", "high"])]);
        assert_eq!(check_document(DOCUMENT, &real), Vec::<String>::new());
        let less = DOCUMENT.replace("tool --> low, high", "tool --> high");
        assert_eq!(check_document(&less, &real), Vec::<String>::new());
    }

    #[test]
    fn each_untruth_is_found() {
        let real = arrows(&[("low", &["other"]), ("high", &[]), ("tool", &["high", "low"]), ("other", &[])]);
        assert_eq!(
            check_document(DOCUMENT, &real),
            [
                "the picture shows high --> low, which its manifest lacks",
                "the picture lacks low --> other",
                "other has no row in the table of crates",
                "tool must not know other, and uses it",
            ]
        );
    }

    #[test]
    fn manifests_are_read_by_section() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\na.workspace = true\nb = { path = \"b\" }\n\n\
            [target.'cfg(unix)'.dependencies]\nc = \"1\"\n\n[dev-dependencies]\nd.workspace = true\n";
        assert_eq!(dependencies(manifest), ["a", "b", "c"]);
    }

    #[test]
    fn a_library_that_looks_outside_is_found_and_a_tool_may() {
        let real = arrows(&[("low", &[]), ("tool", &["modcli"]), ("modcli", &[])]);
        let text = "fn f() { std::time::SystemTime::now(); } // println!\n#[cfg(test)]\nmod t { std::env::var(); }\n";
        assert_eq!(check_file("crates/low/src/a.rs", text, &real).len(), 1);
        assert!(check_file("crates/tool/src/a.rs", text, &real).is_empty());
        assert!(check_file("crates/modcli/src/a.rs", text, &real).is_empty());
    }
}
