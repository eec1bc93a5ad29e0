//! The language of modutils.d: what autoclean leaves alone and takes, how long it waits, what is logged, which
//! settings survive, in [`rules`](crate::rules) what may be loaded, and in [`scripts`](crate::scripts) which commands
//! are run around it.
//!
//! ```text
//! # Indented comments and trailing blanks are fine.
//! keep MODULE-PATTERN...            never unload these
//! autoclean ALIAS-PATTERN...        trust the use counts of modules that come in by these
//! interval SECONDS                  time between the pass that finds a module idle and the one that unloads it
//! log-requests                      the kernel's requests are logged with the process that caused them
//! persist MODULE-PATTERN                      all writable parameters
//! persist MODULE-PATTERN parameters GLOB...   these parameters
//! persist MODULE-PATTERN sysctl GLOB...       these paths below /proc/sys
//! ```
//!
//! Which files count, and in which order, is decided by the caller, as for modprobe.d. Of several `interval`
//! lines the last counts. A line that is wrong is returned as a [`Problem`], and the others count.

use std::path::Path;
use std::sync::Arc;

use modfile::ModuleName;
use modfile::wildcard;

use crate::pattern::{normalized, patterns};
use crate::rules::{Line, Rules};
use crate::scripts::{Moment, Scripts};

pub use crate::pattern::LineReason;

/// How long a module must have been idle before it is unloaded, in seconds, where no line says otherwise.
pub const DEFAULT_INTERVAL: u64 = 60;

/// The longest interval: a year.
const LONGEST_INTERVAL: u64 = 366 * 24 * 60 * 60;

/// All that the files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModutilsConfig {
    keep: Vec<Named>,
    autoclean: Vec<Named>,
    intervals: Vec<(u64, Line)>,
    log_requests: Vec<Line>,
    persist: Vec<PersistRule>,
    rules: Rules,
    scripts: Scripts,
}

/// A pattern of a line, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    names: Vec<u8>,
    line: Line,
}

/// Which settings of which modules survive an unload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistRule {
    /// Pattern of module names, `-` turned into `_`.
    pub modules: Vec<u8>,
    /// Which settings.
    pub what: What,
    /// Where the line stands.
    pub line: Line,
}

/// Which settings a `persist` line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All parameters, since the line names none.
    AllParameters,
    /// Parameters by name, patterns.
    Parameters(Vec<Vec<u8>>),
    /// Paths below `/proc/sys`, each component a pattern; `.` and `..` cannot occur.
    Sysctl(Vec<Vec<u8>>),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// What the line was to do.
    pub directive: Directive,
    /// What is wrong.
    pub reason: LineReason,
}

/// What a wrong line was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Forbid something, which is allowed now.
    Closing,
    /// Anything else, or nothing that is known.
    Other,
}

impl Directive {
    fn of(word: &[u8]) -> Self {
        match word {
            b"forbid" | b"deny-request" => Self::Closing,
            _ => Self::Other,
        }
    }
}

impl ModutilsConfig {
    /// Adds what one file says.
    pub fn add(&mut self, file: &Path, text: &[u8]) -> Vec<Problem> {
        let file: Arc<Path> = file.into();
        let mut problems = Vec::new();
        for (line, content) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let words: Vec<&[u8]> =
                content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            let Some((&word, rest)) = words.split_first() else { continue };
            if word.starts_with(b"#") {
                continue;
            }
            let place = Line { file: Arc::clone(&file), number: line };
            let behind = content.trim_ascii_start().get(word.len()..).unwrap_or_default();
            let added = match word {
                b"forbid" => self.rules.forbid(behind, place),
                b"deny-request" => self.rules.deny(rest, &place),
                b"allow-request" => self.rules.allow(rest, &place),
                _ => match Moment::of_word(word) {
                    Some(moment) => self.scripts.add(moment, behind, place),
                    None => self.directive(word, rest, &place),
                },
            };
            if let Err(reason) = added {
                problems.push(Problem { line, directive: Directive::of(word), reason });
            }
        }
        problems
    }

    fn directive(&mut self, word: &[u8], rest: &[&[u8]], line: &Line) -> Result<(), LineReason> {
        let named = |names| Named { names, line: line.clone() };
        match word {
            b"keep" => {
                self.keep.extend(patterns("keep", "a pattern of module names", rest)?.into_iter().map(named));
            }
            b"autoclean" => {
                let names = patterns("autoclean", "a pattern of aliases", rest)?;
                self.autoclean.extend(names.into_iter().map(named));
            }
            b"interval" => self.intervals.push((interval(rest)?, line.clone())),
            b"log-requests" if rest.is_empty() => self.log_requests.push(line.clone()),
            b"log-requests" => return Err(LineReason::TooMany("log-requests")),
            b"persist" => self.persist.push(persist(rest, line.clone())?),
            b"command-time" => self.scripts.set_time(rest, line.clone())?,
            b"legacy-modules-conf" => self.scripts.set_legacy(rest)?,
            unknown => return Err(LineReason::UnknownWord(unknown.to_vec())),
        }
        Ok(())
    }

    /// What may be loaded.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Which commands are run around loading and unloading.
    #[must_use]
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The same, for whoever reads the files and knows more about them than what they say.
    pub fn scripts_mut(&mut self) -> &mut Scripts {
        &mut self.scripts
    }

    /// Whether a `keep` line names the module.
    #[must_use]
    pub fn keeps(&self, module: &ModuleName) -> bool {
        self.keep.iter().any(|keep| wildcard::matches(&keep.names, module.as_bytes()))
    }

    /// Whether an `autoclean` line names the alias, given in the form in which aliases are compared.
    #[must_use]
    pub fn trusts(&self, normalized_alias: &[u8]) -> bool {
        self.autoclean.iter().any(|trusted| wildcard::matches(&trusted.names, normalized_alias))
    }

    /// How long a module must have been idle, in seconds.
    #[must_use]
    pub fn interval(&self) -> u64 {
        self.intervals.last().map_or(DEFAULT_INTERVAL, |(seconds, _)| *seconds)
    }

    /// Whether the kernel's requests are logged.
    #[must_use]
    pub fn logs_requests(&self) -> bool {
        !self.log_requests.is_empty()
    }

    /// The patterns of all `keep` lines, in order.
    pub fn keep_lines(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.keep.iter().map(|keep| (keep.names.as_slice(), &keep.line))
    }

    /// The patterns of all `autoclean` lines, in order.
    pub fn autoclean_lines(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.autoclean.iter().map(|trusted| (trusted.names.as_slice(), &trusted.line))
    }

    /// All `interval` lines, in order: the last counts.
    #[must_use]
    pub fn interval_lines(&self) -> &[(u64, Line)] {
        &self.intervals
    }

    /// All `log-requests` lines, in order.
    #[must_use]
    pub fn log_requests_lines(&self) -> &[Line] {
        &self.log_requests
    }

    /// All `persist` lines, in order.
    #[must_use]
    pub fn persist_lines(&self) -> &[PersistRule] {
        &self.persist
    }

    /// The `persist` lines that name the module, in order.
    pub fn persist<'a>(&'a self, module: &'a ModuleName) -> impl Iterator<Item = &'a What> {
        let names = |persist: &&PersistRule| wildcard::matches(&persist.modules, module.as_bytes());
        self.persist.iter().filter(names).map(|persist| &persist.what)
    }

    /// Whether there is any `persist` line.
    #[must_use]
    pub fn persists_anything(&self) -> bool {
        !self.persist.is_empty()
    }
}

fn interval(rest: &[&[u8]]) -> Result<u64, LineReason> {
    match rest {
        [] => Err(LineReason::Missing("interval", "a number of seconds")),
        [text] => crate::fields::number(text)
            .filter(|&seconds| seconds <= LONGEST_INTERVAL)
            .ok_or_else(|| LineReason::BadInterval(text.to_vec())),
        _ => Err(LineReason::TooMany("interval")),
    }
}

fn persist(rest: &[&[u8]], line: Line) -> Result<PersistRule, LineReason> {
    let Some((modules, rest)) = rest.split_first() else {
        return Err(LineReason::Missing("persist", "a pattern of module names"));
    };
    let what = match rest.split_first() {
        None => What::AllParameters,
        Some((&b"parameters", [])) => {
            return Err(LineReason::Missing("parameters", "a pattern of parameter names"));
        }
        Some((&b"sysctl", [])) => return Err(LineReason::Missing("sysctl", "a path below /proc/sys")),
        Some((&b"parameters", globs)) => What::Parameters(globs.iter().map(|glob| glob.to_vec()).collect()),
        Some((&b"sysctl", globs)) => {
            let checked = globs.iter().map(|glob| match is_relative(glob) {
                true => Ok(glob.to_vec()),
                false => Err(LineReason::BadPath(glob.to_vec())),
            });
            What::Sysctl(checked.collect::<Result<_, _>>()?)
        }
        Some((unknown, _)) => return Err(LineReason::UnknownKind(unknown.to_vec())),
    };
    Ok(PersistRule { modules: normalized(modules)?, what, line })
}

/// Whether a path stays below where it begins.
pub(crate) fn is_relative(path: &[u8]) -> bool {
    let real = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.split(|&byte| byte == b'/').all(real)
}

#[cfg(test)]
mod tests;
