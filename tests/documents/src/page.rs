//! The options that a manual page describes, and what is wrong with pages.
//!
//! Only the tags of paragraphs in the section OPTIONS count: what follows a request `.TP` or `.TQ`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tool::Tool;

/// Everything that is wrong with the pages of a directory.
///
/// # Errors
/// If a page cannot be read, or `man` cannot be started.
pub fn check(directory: &Path, tools: &[Tool]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for tool in tools {
        let file = directory.join(format!("{}.8", tool.name));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        findings.extend(differences(tool, &text));
    }
    let mut rendered = 0;
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        findings.extend(warnings(&file)?);
        rendered += 1;
    }
    ensure!(rendered > tools.len(), "{}: pages are missing", directory.display());
    Ok(findings)
}

/// Options that only the tool or only its page has.
#[must_use]
pub fn differences(tool: &Tool, page: &str) -> Vec<String> {
    let described = described(page);
    let defined: BTreeSet<String> =
        tool.options.iter().flat_map(|option| option.spellings.iter().cloned()).collect();
    let undescribed = defined.difference(&described).map(|name| format!("{name} is not in its page"));
    let undefined = described.difference(&defined).map(|name| format!("{name} is only in its page"));
    undescribed.chain(undefined).map(|finding| format!("{}: {finding}", tool.name)).collect()
}

/// The spellings of options in the tags of the section OPTIONS.
fn described(page: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut in_options, mut tag_follows) = (false, false);
    for line in page.lines() {
        if let Some(section) = line.strip_prefix(".SH ") {
            in_options = section == "OPTIONS";
        }
        if tag_follows && in_options {
            let plain = line.replace("\\-", "-").replace("\\fI", " ").replace("\\fR", " ");
            let words = plain.split([' ', '"', ',']).filter(|word| word.starts_with('-'));
            names.extend(words.map(str::to_owned));
        }
        tag_follows = line.starts_with(".TP") || line.starts_with(".TQ");
    }
    names
}

/// What `man` has to say about a page while it renders it.
fn warnings(file: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("man");
    command.args(["--local-file", "--warnings", "--encoding=UTF-8"]).arg(file);
    command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").stdin(Stdio::null());
    let output = command.output().context("cannot start man (package man-db)")?;
    let name = file.display();
    ensure!(output.status.success(), "man {name}: {}", output.status);
    ensure!(!output.stdout.is_empty(), "man {name} shows nothing");
    Ok(String::from_utf8_lossy(&output.stderr).lines().map(|line| format!("{name}: {line}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = ".SH NAME\n.TP\n.B \\-\\-no\n.SH OPTIONS\nText \\-x\n.TP\n.BR \\-a \", \" \\-\\-all \" \" \\fIN\\fR\n\
                        Of \\-y.\n.TQ\n.B \\-\\-other\\-name\n";

    #[test]
    fn tags_of_the_options_section_count_and_nothing_else() {
        let names: Vec<String> = described(PAGE).into_iter().collect();
        assert_eq!(names, ["--all", "--other-name", "-a"]);
    }

    #[test]
    fn an_option_missing_on_either_side_is_found() {
        let command = clap::Command::new("t")
            .arg(clap::Arg::new("all").long("all").short('a'))
            .arg(clap::Arg::new("new").long("new").alias("newer"));
        let tool = Tool::of("t", &command);
        let found = differences(&tool, PAGE);
        assert_eq!(
            found,
            [
                "t: --new is not in its page",
                "t: --newer is not in its page",
                "t: --other-name is only in its page"
            ]
        );
    }
}
