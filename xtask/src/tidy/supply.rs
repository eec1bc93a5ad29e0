//! What the project is built from: licences, sources and versions of all packages that Cargo.lock names, against
//! `deny.toml`. The file is cargo-deny's; here it is read as far as these three go, so that every run of the tests
//! checks them without another program.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{project, shell};

/// A package of Cargo.lock.
struct Package {
    name: String,
    version: String,
    licence: String,
    /// None for one of the workspace.
    source: Option<String>,
}

/// What `deny.toml` allows.
struct Allowed {
    licences: BTreeSet<String>,
    /// `NAME@VERSION` of a second version, each with its reason.
    skipped: BTreeSet<String>,
}

/// What is wrong, given the text of `deny.toml`.
pub fn check(deny: &str) -> Result<Vec<String>> {
    let allowed = Allowed {
        licences: strings(deny, "allow = ["),
        skipped: strings(deny, "skip = [").into_iter().filter(|text| text.contains('@')).collect(),
    };
    Ok(findings(&packages()?, &allowed))
}

fn packages() -> Result<Vec<Package>> {
    let mut metadata = project::cargo();
    let text =
        shell::output(metadata.args(["metadata", "--format-version", "1", "--locked", "--all-features"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let text = |package: &Value, field: &str| package.get(field).and_then(Value::as_str).map(str::to_owned);
    Ok(packages
        .iter()
        .map(|package| Package {
            name: text(package, "name").unwrap_or_default(),
            version: text(package, "version").unwrap_or_default(),
            licence: text(package, "license").unwrap_or_default(),
            source: text(package, "source"),
        })
        .collect())
}

fn findings(packages: &[Package], allowed: &Allowed) -> Vec<String> {
    let mut findings = Vec::new();
    // All come from one registry, and none from elsewhere.
    let sources = || packages.iter().filter_map(|package| package.source.as_deref());
    let registry = sources().find(|source| source.starts_with("registry+"));
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let Package { name, version, licence, source } = package;
        versions.entry(name).or_default().insert(version);
        if !is_allowed(licence, &allowed.licences) {
            findings.push(format!("{name} {version} has the licence '{licence}'"));
        }
        if let Some(other) = source.as_deref().filter(|source| Some(*source) != registry) {
            findings.push(format!("{name} {version} comes from {other}"));
        }
    }
    let known = |name: &str, version: &str| allowed.skipped.contains(&format!("{name}@{version}"));
    for (name, versions) in &versions {
        let others: Vec<&str> = versions.iter().copied().filter(|version| !known(name, version)).collect();
        if others.len() > 1 {
            findings.push(format!("{name} is there in versions {}", others.join(" and ")));
        }
    }
    for skipped in &allowed.skipped {
        let (name, version) = skipped.split_once('@').unwrap_or((skipped, ""));
        let is_second =
            versions.get(name).is_some_and(|versions| versions.contains(version) && versions.len() > 1);
        if !is_second {
            findings.push(format!("deny.toml skips {skipped}, which is no second version"));
        }
    }
    findings
}

/// Whether an SPDX expression can be met with these licences. `/` is an old way to write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut words = words.as_slice();
    !words.is_empty() && either(&mut words, allowed) && words.is_empty()
}

fn either(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = all(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        is_allowed |= all(words, allowed);
    }
    is_allowed
}

fn all(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = one(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        is_allowed &= one(words, allowed);
    }
    is_allowed
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let is_allowed = either(words, allowed);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            is_allowed && closed
        }
        // An exception only adds to what the licence allows.
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => {
            *words = rest;
            allowed.contains(*licence)
        }
        [] => false,
    }
}

/// The strings of the list that begins with `start` at the beginning of a line.
fn strings(text: &str, start: &str) -> BTreeSet<String> {
    let list = text.split_once(&format!("\n{start}")).map_or("", |(_, rest)| rest);
    let list = list.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn expressions_are_met_or_not() {
        let allowed = set(&["MIT", "Apache-2.0"]);
        for met in [
            "MIT",
            "GPL-2.0/MIT",
            "(MIT OR X) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "X OR (MIT)",
        ] {
            assert!(is_allowed(met, &allowed), "{met}");
        }
        for not in ["", "X", "MIT AND X", "(MIT", "MIT X", "X WITH MIT"] {
            assert!(!is_allowed(not, &allowed), "{not}");
        }
    }

    #[test]
    fn licences_sources_and_second_versions_are_found() {
        let package = |name: &str, version: &str, licence: &str, source: Option<&str>| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.to_owned(),
            source: source.map(str::to_owned),
        };
        let packages = [
            package("a", "1", "MIT", None),
            package("b", "1", "MIT", Some("registry+here")),
            package("b", "2", "MIT", Some("registry+here")),
            package("c", "1", "MIT", Some("registry+here")),
            package("c", "2", "MIT", Some("git+there")),
            package("d", "1", "GPL-2.0", Some("registry+here")),
            package("e", "1", "MIT", Some("registry+there")),
        ];
        let allowed = Allowed { licences: set(&["MIT"]), skipped: set(&["b@1", "d@1"]) };
        assert_eq!(
            findings(&packages, &allowed),
            [
                "c 2 comes from git+there",
                "d 1 has the licence 'GPL-2.0'",
                "e 1 comes from registry+there",
                "c is there in versions 1 and 2",
                "deny.toml skips d@1, which is no second version",
            ]
        );
    }

    #[test]
    fn lists_are_read_over_several_lines() {
        let text = "x\nallow = [\"A\",\n \"B\"]\nskip = [\n { crate = \"c@1\", reason = \"r\" },\n]\n";
        assert_eq!(strings(text, "allow = ["), set(&["A", "B"]));
        assert_eq!(strings(text, "skip = ["), set(&["c@1", "r"]));
    }
}
