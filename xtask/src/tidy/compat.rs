//! Each place that keeps a peculiarity of kmod, marked `compat:`, names what shows it: a case of the comparison as
//! `case TOOL/NAME`, a test by the name of its function, or a file below `tests`. What is named must exist.

use std::collections::BTreeSet;
use std::path::Path;

/// What can be named.
pub struct Known<'a> {
    /// The root of the source tree.
    pub root: &'a Path,
    /// The names of all functions in tests.
    pub tests: &'a BTreeSet<String>,
}

/// The functions of a file's tests.
pub fn tests(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("fn ")?;
        Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next()?.to_owned())
    })
}

/// What is wrong with the marks of a file.
pub fn check(text: &str, known: &Known<'_>) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some((before, _)) = line.split_once("compat:") else { continue };
        if !before.contains("//") {
            continue;
        }
        let comment: Vec<&str> = lines
            .iter()
            .skip(number)
            .map(|line| line.trim_start())
            .take_while(|line| line.starts_with("//"))
            .map(|line| line.trim_start_matches(['/', ' ']))
            .collect();
        let comment = if comment.is_empty() { (*line).to_owned() } else { comment.join(" ") };
        let names = named(&comment);
        if names.is_empty() {
            findings.push(format!("line {}: a peculiarity without a case or a test", number + 1));
        }
        for name in names.iter().filter(|name| !exists(name, known)) {
            findings.push(format!("line {}: {name} does not exist", number + 1));
        }
    }
    findings
}

/// What a comment names: words with a slash after `case` or `cases`, names of functions after `test` or `tests`,
/// files of the tests.
fn named(comment: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut what = "";
    for word in comment.split_whitespace() {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '/'));
        match plain {
            "case" | "cases" => what = "case",
            "test" | "tests" => what = "test",
            plain if plain.starts_with("tests/") => names.push(plain.to_owned()),
            plain if what == "case" && plain.contains('/') => names.push(format!("case {plain}")),
            plain if what == "test" && plain.contains('_') => names.push(format!("test {plain}")),
            "and" => {}
            _ => what = "",
        }
        if word.ends_with(')') {
            what = "";
        }
    }
    names
}

fn exists(name: &str, known: &Known<'_>) -> bool {
    match name.split_once(' ') {
        Some(("case", case)) => known.root.join("tests/compliance/cases").join(case).join("case").is_file(),
        Some((_, test)) => known.tests.contains(test),
        None => known.root.join(name).is_file(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_needs_a_name_and_the_name_a_thing() {
        let root = crate::project::root();
        let tests = BTreeSet::from(["it_holds".to_owned()]);
        let check = |text: &str| check(text, &Known { root, tests: &tests });
        for right in [
            "// compat: x (case modprobe/softdep-module).\n",
            "// compat: x (cases\n// modprobe/softdep-module, modprobe/softdep-pre).\n",
            "/// Is y. compat: x (test\n/// `it_holds`).\n",
            "// compat: x (random damage in tests/compliance/src/damaged.rs).\n",
        ] {
            assert_eq!(check(right), Vec::<String>::new(), "{right}");
        }
        for (wrong, findings) in [
            ("// compat: x.\n", 1),
            ("// compat: x (case modprobe/none-such).\n", 1),
            ("// compat: x (cases modprobe/softdep-module, modprobe/none-such).\n", 1),
            ("// compat: x (test `it_does_not_hold`).\nfn case() {}\n", 1),
            ("// compat: in this case, that\n", 1),
            ("let x = \"compat:\";\n", 0),
        ] {
            assert_eq!(check(wrong).len(), findings, "{wrong}");
        }
    }
}
