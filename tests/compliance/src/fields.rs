//! What modinfo says of all modules of a real kernel, by name and by file, and of all that is built in: everything,
//! with and without NULs, and each field alone, equal to kmod 34's to the byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use reference::{Cache, Ending, Kernel, Limits, Outcome, Program, Release};

use crate::database::{self, Database};
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};

const LIMITS: Limits = Limits { time: Duration::from_secs(120), output: 256 << 20 };

/// How many operands one process is given.
const TOGETHER: usize = 500;

/// A command line: its options, and the operands that stand behind them.
struct Question<'n> {
    options: Vec<String>,
    operands: &'n [String],
}

/// Asks ours and kmod 34.
pub fn run(subjects: &Subjects, cache: &Cache) -> Result<Tally> {
    let database = match Database::build(subjects, cache)? {
        Ok(database) => database,
        Err(skipped) => return Ok(Tally::of("every module", &skipped)),
    };
    let (kernel, directory) = (&database.kernel, &database.directory);
    let dependencies = fs::read_to_string(directory.join("modules.dep"))?;
    let files: Vec<String> = dependencies
        .lines()
        .filter_map(|line| Some(directory.join(line.split(':').next()?).display().to_string()))
        .collect();
    let names: Vec<String> = files.iter().map(|file| name_of(file)).collect();
    let builtin: Vec<String> =
        fs::read_to_string(directory.join("modules.builtin"))?.lines().map(name_of).collect();
    ensure!(names.len() > 1000 && builtin.len() > 100, "too few modules in {}", directory.display());

    let mut questions = Vec::new();
    for operands in [&names, &files, &builtin] {
        for options in [vec![], vec!["-0".to_owned()]] {
            let parts = operands.chunks(TOGETHER);
            questions.extend(parts.map(|operands| Question { options: options.clone(), operands }));
        }
    }
    let theirs = subjects.reference(Release::Kmod34)?;
    for field in fields(theirs, kernel, database.root(), &names)? {
        let options = vec!["-F".to_owned(), field];
        questions.push(Question { options: options.clone(), operands: &names });
        questions.push(Question { options, operands: &builtin });
    }
    println!("{} modules and {} built in, in {} command lines", names.len(), builtin.len(), questions.len());
    let name = |question: &Question<'_>| {
        let first = question.operands.first().map_or("", String::as_str);
        format!("modinfo {} {first} and more", question.options.join(" "))
    };
    database::ask_all(subjects, &questions, name, |question, theirs| {
        compare(&subjects.ours, theirs, kernel, database.root(), question)
    })
}

fn name_of(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    base.split('.').next().unwrap_or(base).to_owned()
}

/// Every field that any module has, those that modinfo adds, and one that there is not.
fn fields(theirs: &Program, kernel: &Kernel, root: &Path, names: &[String]) -> Result<BTreeSet<String>> {
    let question = Question { options: Vec::new(), operands: names };
    let outcome = ask(theirs, kernel, root, &question)?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let mut fields: BTreeSet<String> = ["parmtype", "nonesuch", ""].map(str::to_owned).into();
    for line in text.lines() {
        if let Some((field, _)) = line.split_once(':')
            && !field.is_empty()
            && field.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            && !field.chars().all(|letter| letter.is_ascii_hexdigit())
        {
            fields.insert(field.to_owned());
        }
    }
    ensure!(fields.len() > 15 && fields.contains("signature"), "the reference shows only {fields:?}");
    Ok(fields)
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
    ensure!(their.ending == Ending::Exit(0), "the reference ended with {:?}", their.ending);
    if our.ending != their.ending {
        return Ok(Verdict::Failed(format!("ending: ours {:?}, theirs {:?}", our.ending, their.ending)));
    }
    for (what, our, their) in [("output", our.stdout, their.stdout), ("error", our.stderr, their.stderr)] {
        if our != their {
            let at = our.iter().zip(&their).position(|(one, other)| one != other);
            let at = at.unwrap_or(our.len().min(their.len()));
            let show = |text: &[u8]| {
                text.iter().skip(at).take(60).copied().collect::<Vec<u8>>().escape_ascii().to_string()
            };
            return Ok(Verdict::Failed(format!(
                "standard {what}, byte {at}:\n    ours   {}\n    theirs {}",
                show(&our),
                show(&their)
            )));
        }
    }
    Ok(Verdict::Equal)
}

fn ask(program: &Program, kernel: &Kernel, root: &Path, question: &Question<'_>) -> Result<Outcome> {
    let mut command = program.command();
    command.arg("-b").arg(root).arg("-k").arg(&kernel.version).args(&question.options);
    command.arg("--").args(question.operands);
    command.env_clear().env("LC_ALL", "C").current_dir(PathBuf::from("/"));
    reference::run(command, &LIMITS)
}
