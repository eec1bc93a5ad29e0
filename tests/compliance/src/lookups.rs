//! What modprobe says of a real kernel's whole database: every name that it answers to, with `-R` and with `-D`,
//! and the dump of `-c`, equal to kmod 34's to the byte.
//!
//! A process for each name takes ten times as long, so a run of every day asks for many in one process, which `-a`
//! allows, and for some alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use reference::{Cache, Ending, Kernel, Limits, Outcome, Program, names};

use crate::database::{self, Database};
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};

const LIMITS: Limits = Limits { time: Duration::from_secs(60), output: 256 << 20 };

/// How many names one process is asked for.
const TOGETHER: usize = 100;
/// Every how many names one is asked for alone.
const ALONE: usize = 50;

/// A command line: its options, and the names that stand behind them.
struct Question<'n> {
    options: &'static [&'static str],
    names: &'n [String],
}

/// Asks ours and kmod 34; `each` for every name in a process of its own.
pub fn run(subjects: &Subjects, cache: &Cache, each: bool) -> Result<Tally> {
    let database = match Database::build(subjects, cache)? {
        Ok(database) => database,
        Err(skipped) => return Ok(Tally::of("real database", &skipped)),
    };
    let (kernel, directory) = (&database.kernel, &database.directory);
    fs::write(database.root().join("empty.conf"), "")?;
    let softdeps = directory.join("modules.softdep");
    fs::write(&softdeps, one_line_each(&fs::read_to_string(&softdeps)?))?;
    let names: Vec<String> = names::of_database(directory)?.into_iter().collect();
    ensure!(names.len() > 10_000, "only {} names to ask for", names.len());

    let mut questions = vec![Question { options: &["-c"], names: &[] }];
    for options in [&["-R"][..], &["-D"]] {
        let alone = names.chunks(1).step_by(if each { 1 } else { ALONE });
        questions.extend(alone.map(|names| Question { options, names }));
    }
    if !each {
        for options in [&["-a", "-R"][..], &["-a", "-D"]] {
            questions.extend(names.chunks(TOGETHER).map(|names| Question { options, names }));
        }
    }
    println!("{} names of {}, in {} command lines", names.len(), kernel.version, questions.len());
    let name = |question: &Question<'_>| {
        let (first, more) = (question.names.first(), question.names.len().saturating_sub(1));
        let first = first.map_or("", String::as_str);
        format!("{} {first} and {more} more", question.options.join(" "))
    };
    database::ask_all(subjects, &questions, name, |question, theirs| {
        compare(&subjects.ours, theirs, kernel, database.root(), question)
    })
}

/// The softdep lines of each module as one. In kmod only the first of several counts, and here all do (case
/// `softdep-lines-add-up`); what a line says must be the same.
fn one_line_each(text: &str) -> String {
    let mut modules: Vec<(&str, [Vec<&str>; 2])> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(module)) = (words.next(), words.next()) else { continue };
        if !modules.iter().any(|(known, _)| *known == module) {
            modules.push((module, [Vec::new(), Vec::new()]));
        }
        let Some((_, lists)) = modules.iter_mut().find(|(known, _)| *known == module) else { continue };
        let mut list = None;
        for word in words {
            match word {
                "pre:" => list = Some(0),
                "post:" => list = Some(1),
                name => {
                    if let Some(names) = list.and_then(|list: usize| lists.get_mut(list)) {
                        names.push(name);
                    }
                }
            }
        }
    }
    let line = |(module, [pre, post]): &(&str, [Vec<&str>; 2])| {
        format!("softdep {module} pre: {} post: {}\n", pre.join(" "), post.join(" "))
    };
    modules.iter().map(line).collect()
}

fn compare(
    ours: &Program,
    theirs: &Program,
    kernel: &Kernel,
    root: &Path,
    question: &Question<'_>,
) -> Result<Verdict> {
    let our = ask(ours, kernel, root, question)?;
    let their = ask(theirs, kernel, root, question)?;
    ensure!(their.ending != Ending::Stopped, "the reference did not end");
    if our.ending != their.ending {
        let (our, their) = (our.ending, their.ending);
        return Ok(Verdict::Failed(format!("ending: ours {our:?}, theirs {their:?}")));
    }
    for (what, our, their) in [("output", our.stdout, &their.stdout), ("error", our.stderr, &their.stderr)] {
        if let Some(difference) = first_difference(&our, their) {
            return Ok(Verdict::Failed(format!("standard {what}: {difference}")));
        }
    }
    // Every one of these names is in the database.
    ensure!(!their.stdout.is_empty() || question.names.len() == 1, "the reference has said nothing");
    Ok(Verdict::Equal)
}

fn ask(program: &Program, kernel: &Kernel, root: &Path, question: &Question<'_>) -> Result<Outcome> {
    let mut command = program.command();
    command.arg("-d").arg(root).arg("-S").arg(&kernel.version).arg("-C").arg(root.join("empty.conf"));
    command.args(question.options).arg("--").args(question.names);
    command.env_clear().env("LC_ALL", "C");
    reference::run(command, &LIMITS)
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let (our, their) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
    let mut lines = (1..).zip(our.lines().zip(their.lines()));
    Some(match lines.find(|(_, (our, their))| our != their) {
        Some((number, (our, their))) => format!("line {number}:\n    ours   {our}\n    theirs {their}"),
        None => format!("{} bytes of ours, {} of theirs", ours.len(), theirs.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_softdeps_of_a_module_become_one_line() {
        let text = "# made\nsoftdep a pre: b c\nsoftdep d post: e\nsoftdep a pre: f post: g\nsoftdep h b\n";
        let expected = "softdep a pre: b c f post: g\nsoftdep d pre:  post: e\nsoftdep h pre:  post: \n";
        assert_eq!(one_line_each(text), expected);
    }

    #[test]
    fn every_difference_is_found() {
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\n"), None);
        for (ours, theirs) in [("a\n", "b\n"), ("a\n", "a"), ("", "\n"), ("a\nb\n", "a\n")] {
            assert!(first_difference(ours.as_bytes(), theirs.as_bytes()).is_some(), "{ours:?} {theirs:?}");
        }
    }
}
