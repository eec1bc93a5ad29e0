//! Abbreviations of long options: every beginning of every option that ours or kmod 34 lists means the same to both, or
//! is refused with the same sentence. Options of ours alone count only when written out.
//!
//! No option is ever carried out. An abbreviation gets a value, `--BEGINNING=1`, and a wrong option behind it: either it
//! takes none, or the wrong option ends the run. In the second case it is given once more without anything behind it,
//! and the sentence names it.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Result, ensure};
use reference::{Ending, Limits, Program, Release, run};

use crate::parallel;
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};

/// No tool has it.
const WRONG: &str = "-%";

/// Compares all beginnings.
pub fn compare(subjects: &Subjects) -> Result<Tally> {
    let theirs = subjects.reference(Release::Kmod34)?;
    let (listed, listed_here) = (names(theirs)?, names(&subjects.ours)?);
    let beginnings: Vec<String> = listed
        .union(&listed_here)
        .flat_map(|name| (1..=name.len()).filter_map(|len| name.get(..len)))
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    ensure!(beginnings.len() > listed.len(), "kmod lists no options");
    let verdicts = parallel::map(&beginnings, |beginning| {
        verdict(&subjects.ours, theirs, beginning, &listed_here)
            .unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")))
    });
    let mut tally = Tally::default();
    for (beginning, verdict) in beginnings.iter().zip(verdicts) {
        tally.add(&format!("prefixes: --{beginning}"), &verdict);
    }
    Ok(tally)
}

fn verdict(ours: &Program, theirs: &Program, beginning: &str, here: &BTreeSet<String>) -> Result<Verdict> {
    let (ours, theirs) = (meaning(ours, beginning)?, meaning(theirs, beginning)?);
    Ok(if ours == theirs {
        Verdict::Equal
    } else if here.contains(beginning) && theirs.contains("unrecognized option") {
        // One of ours, written out.
        Verdict::DifferentByIntent
    } else {
        Verdict::Failed(format!("ours says {ours:?}, kmod 34 {theirs:?}"))
    })
}

/// getopt's sentence about it.
fn meaning(program: &Program, beginning: &str) -> Result<String> {
    let with_value = sentence(program, &[&format!("--{beginning}=1"), WRONG])?;
    if with_value.contains(&format!("invalid option -- '{}'", WRONG.trim_start_matches('-'))) {
        return sentence(program, &[&format!("--{beginning}")]);
    }
    Ok(with_value)
}

/// The first line on standard error, without the name of the program.
fn sentence(program: &Program, words: &[&str]) -> Result<String> {
    let mut command = quiet(program);
    command.args(words);
    let outcome = run(command, &Limits::default())?;
    let text = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.ending == Ending::Exit(1), "{words:?} ended with {:?}: {text}", outcome.ending);
    let first = text.lines().next().unwrap_or_default();
    Ok(first.split_once(": ").map_or(first, |(_, sentence)| sentence).to_owned())
}

/// The long options that the help lists.
fn names(program: &Program) -> Result<BTreeSet<String>> {
    let mut command = quiet(program);
    command.arg("--help");
    let outcome = run(command, &Limits::default())?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let is_name = |character: char| character.is_ascii_lowercase() || character == '-';
    let name = |word: &str| word.split(|character| !is_name(character)).next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> =
        text.split("--").skip(1).map(name).filter(|name| !name.is_empty()).collect();
    ensure!(names.contains("version"), "{} lists no options:\n{text}", program.executable().display());
    Ok(names)
}

fn quiet(program: &Program) -> Command {
    let mut command = program.command();
    command.env_clear().current_dir("/");
    command
}
