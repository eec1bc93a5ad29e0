//! `cargo xtask tidy`: rules of the source tree that no other tool checks.

mod circles;
mod compat;
mod crates;
mod reasons;
mod source;
mod supply;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{project, shell};

/// Lines above which a file needs a reason, a line `// long: REASON` among its first twenty.
const LONG: usize = 400;

/// Names of files that may hold absolute paths: they are where the system's layout is known, and the repair of
/// closed descriptors, which must work before anything else is there.
const PATH_HOLDERS: [&str; 5] = ["paths", "native", "sink", "startup", "places"];

/// Directories of a system that a path literal would begin with.
const SYSTEM: [&str; 9] = ["boot", "dev", "etc", "lib", "proc", "run", "sys", "usr", "var"];

/// Checks every tracked file; all findings are shown.
pub fn run() -> Result<()> {
    let files = files()?;
    let mut findings = Vec::new();
    for (path, text) in &files {
        findings.extend(file(path, text).into_iter().map(|finding| format!("{path}: {finding}")));
    }
    findings.extend(across(&files)?);
    let deny = files.get("deny.toml").map(String::as_str).unwrap_or_default();
    findings.extend(supply::check(deny)?.into_iter().map(|finding| format!("Cargo.lock: {finding}")));
    let checked = files.len();
    ensure!(checked > 0, "git lists no files here");
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} findings in {checked} files", findings.len());
    println!("tidy: {checked} files");
    Ok(())
}

/// Every tracked file that is text, by its path.
fn files() -> Result<BTreeMap<String, String>> {
    let listed = shell::output(Command::new("git").current_dir(project::root()).args(["ls-files", "-z"]))?;
    let mut files = BTreeMap::new();
    for path in listed.split('\0').filter(|path| !path.is_empty() && !path.ends_with("Cargo.lock")) {
        let bytes = match fs::read(project::root().join(path)) {
            Ok(bytes) => bytes,
            // Deleted, but not yet recorded as such.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(path.to_owned()),
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(path.to_owned(), text);
        }
    }
    Ok(files)
}

/// What shows only when several files are looked at together.
fn across(files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let root = project::root();
    let arrows = crates::of_manifests(root)?;
    let mut findings = Vec::new();
    let document = files.get("ARCHITECTURE.md").map(String::as_str).unwrap_or_default();
    let of_document = crates::check_document(document, &arrows);
    findings.extend(of_document.into_iter().map(|finding| format!("ARCHITECTURE.md: {finding}")));

    let rust = || files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let tests: BTreeSet<String> = rust().flat_map(|(_, text)| compat::tests(text)).collect();
    let known = compat::Known { root, tests: &tests };
    for (path, text) in rust().filter(|(path, _)| !path.starts_with("xtask/")) {
        let mut here = compat::check(text, &known);
        if is_shipped(path) {
            here.extend(crates::check_file(path, text, &arrows));
            let name = path.split('/').nth(1).unwrap_or_default();
            if arrows.get(name).is_some_and(|uses| uses.contains("modcli")) {
                here.extend(reasons::check(text));
            }
        }
        findings.extend(here.into_iter().map(|finding| format!("{path}: {finding}")));
    }
    for name in arrows.keys() {
        let source = format!("crates/{name}/src/");
        let of_crate: Vec<(&str, &str)> = rust()
            .filter(|(path, _)| is_shipped(path))
            .filter_map(|(path, text)| Some((path.strip_prefix(&source)?, text.as_str())))
            .collect();
        let circles = circles::among(&of_crate);
        findings.extend(circles.into_iter().map(|circle| format!("crates/{name}: a circle: {circle}")));
    }
    Ok(findings)
}

/// Whether a file is part of what is shipped, and no test.
fn is_shipped(path: &str) -> bool {
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    path.starts_with("crates/") && path.contains("/src/") && !is_test
}

/// What is wrong with one file.
fn file(path: &str, text: &str) -> Vec<String> {
    let mut findings = forbidden(text);
    // The fuzz targets are no members of the workspace.
    if path.ends_with("/Cargo.toml")
        && path != "fuzz/Cargo.toml"
        && !text.contains("[lints]\nworkspace = true")
    {
        findings.push("a package without the shared lints".to_owned());
    }
    if path.ends_with(".md") {
        findings.extend(dead_references(text));
    }
    if path.ends_with(".rs") {
        let reason = text.lines().take(20).any(|line| line.starts_with("// long: "));
        let lines = text.lines().count();
        if lines > LONG && !reason {
            findings.push(format!("{lines} lines, above {LONG}, without a line '// long: REASON'"));
        }
        if is_shipped(path) && !holds_paths(path) {
            findings.extend(path_literals(text));
        }
    }
    findings
}

/// Words that name somebody's machine, or a package server. They are put together here, so that this
/// file does not hold them.
fn forbidden(text: &str) -> Vec<String> {
    let words = [
        ["/wor", "k/"],
        ["/roo", "t/"],
        ["/far", "m/"],
        ["/home", "/"],
        ["deb.debi", "an.org"],
        ["index.crates", ".io"],
        ["FIX", "ME"],
        ["to", "do!("],
    ];
    let mut findings = Vec::new();
    for word in words.map(|halves| halves.concat()) {
        for (number, line) in (1..).zip(text.lines()) {
            if line.contains(&word) {
                findings.push(format!("line {number} says {word}"));
            }
        }
    }
    findings
}

/// Names in backticks of a document, of files of this tree and of compliance cases, that lead nowhere.
fn dead_references(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for name in text.split('`').skip(1).step_by(2) {
        let Some((first, rest)) = name.split_once('/') else { continue };
        let place = match first {
            "crates" | "tests" | "man" | "completions" | "packaging" | "xtask" => project::root().to_owned(),
            // A case; what has a suffix or a directory is a file of the crate.
            tool if suite::has(tool) && !rest.contains(['/', '.']) => {
                project::root().join("tests/compliance/cases")
            }
            _ => continue,
        };
        let stands_for_many = name.contains([' ', '*']) || name.contains("TOOL");
        if !stands_for_many && !place.join(name).exists() {
            findings.push(format!("`{name}` does not exist"));
        }
    }
    findings
}

fn holds_paths(path: &str) -> bool {
    Path::new(path).components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        PATH_HOLDERS.contains(&part.trim_end_matches(".rs"))
    })
}

/// String literals that begin like a path of the system, outside of comments and of the tests at the end.
fn path_literals(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        let found = SYSTEM
            .iter()
            .any(|name| line.contains(&format!("\"/{name}/")) || line.contains(&format!("\"/{name}\"")));
        if found {
            findings
                .push(format!("line {number} has a path literal; it belongs into one of {PATH_HOLDERS:?}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_breach() {
        let long = "x\n".repeat(LONG + 1);
        assert_eq!(file("crates/a/src/b.rs", &long).len(), 1);
        assert!(file("crates/a/src/b.rs", &format!("// long: a table\n{long}")).is_empty());
        assert_eq!(file("crates/a/Cargo.toml", "[package]\n").len(), 1);
        assert_eq!(file("README.md", concat!("see /wor", "k/x\n")).len(), 1);
        assert_eq!(file("crates/a/src/b.rs", "let x = \"/etc/modprobe.d\";\n").len(), 1);
        assert_eq!(file("A.md", "case `modprobe/no-such`, test `tests/none.rs`").len(), 2);
        assert!(
            file("A.md", "`xtask/src/main.rs`, case `modprobe/softdep-module`, `modprobe/x.rs`").is_empty()
        );
    }

    #[test]
    fn paths_in_comments_tests_and_their_own_modules_are_fine() {
        for text in ["// \"/etc/x\"\n", "x\n#[cfg(test)]\nmod t { \"/etc/x\" }\n"] {
            assert!(file("crates/a/src/b.rs", text).is_empty(), "{text}");
        }
        assert!(file("crates/a/src/sink/kmsg.rs", "open(\"/dev/kmsg\")").is_empty());
    }
}
