//! The manners of GNU getopt_long, driven by a tool's one `clap::Command` definition.
//!
//! kmod parses with getopt_long, and scripts depend on it: unique beginnings of long names, options after
//! operands, values that begin with a dash, repeated options whose order matters, operands that are not UTF-8,
//! and the sentences for wrong options. [`parse`] is a pure function from the arguments to a [`Parsed`] command
//! line: the options in the order in which they stood, and the operands. [`Parsed::matches`] hands the same to
//! clap in a form that leaves it nothing to guess.
//!
//! This module does not read the environment, print, or know any tool's options.

mod parse;
mod table;

use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, Command, Id};

pub use parse::{Failure, parse};
pub use table::Options;

/// Who decides where the options end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Options may stand after operands, as GNU programs have it.
    Permuted,
    /// The first operand ends the options: `POSIXLY_CORRECT` is set.
    Posix,
}

/// One option as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The id of the `Arg` in the tool's definition.
    pub id: Id,
    /// Its value, if it takes one.
    pub value: Option<OsString>,
}

/// A command line taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The options in the order in which they stood.
    pub events: Vec<Occurrence>,
    /// What is not an option, in order.
    pub operands: Vec<OsString>,
}

impl Parsed {
    /// Whether the option was given.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.count(id) > 0
    }

    /// How often the option was given.
    #[must_use]
    pub fn count(&self, id: &str) -> usize {
        self.events.iter().filter(|event| event.id == id).count()
    }

    /// All values of the option, in order.
    pub fn values(&self, id: &str) -> impl Iterator<Item = &OsStr> {
        self.events.iter().filter(move |event| event.id == id).filter_map(|event| event.value.as_deref())
    }

    /// The value that counts when an option is repeated: the last.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<&OsStr> {
        self.values(id).last()
    }

    /// The arguments for clap: full names, values attached, `--` before the operands.
    #[must_use]
    pub fn normalised(&self, options: &Options, program: &str) -> Vec<OsString> {
        let mut arguments = vec![OsString::from(program)];
        for event in &self.events {
            let Some(mut argument) = options.spelling(&event.id) else { continue };
            if let Some(value) = &event.value {
                argument.push("=");
                argument.push(value);
            }
            arguments.push(argument);
        }
        arguments.push("--".into());
        arguments.extend(self.operands.iter().cloned());
        arguments
    }

    /// What clap makes of it, with the checks of the definition (conflicts, requirements, value parsers).
    ///
    /// # Errors
    /// Whatever clap objects to; names, values and repetitions are in order already.
    pub fn matches(&self, command: Command) -> Result<ArgMatches, clap::Error> {
        let options = Options::of(&command, &[]);
        let arguments = self.normalised(&options, command.get_name());
        command.try_get_matches_from(arguments)
    }
}
