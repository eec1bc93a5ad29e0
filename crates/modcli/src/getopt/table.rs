//! The options of a `clap::Command`, as getopt looks them up.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, Id};

/// The options of one tool, in the order of its definition: getopt lists possibilities in that order.
pub struct Options<'command> {
    args: Vec<&'command Arg>,
    added: &'command [&'command str],
}

/// What a long name, perhaps shortened, stands for.
pub(super) enum Named<'command> {
    /// One option; the name is the full one.
    One(&'command Arg, &'command str),
    /// Several; their full names.
    Several(Vec<&'command str>),
    Unknown,
}

impl<'command> Options<'command> {
    /// The options that `command` defines.
    ///
    /// `added` are long names that kmod does not have. They count only when written out: every abbreviation keeps the
    /// meaning that it has there, also where that is none, and another option of ours breaks no script.
    ///
    /// Several names of one `Arg` are one option (getopt: the same value), so a beginning of several of its
    /// names is not ambiguous. Options whose spelling matters to the tool are several `Arg`s.
    #[must_use]
    pub fn of(command: &'command Command, added: &'command [&'command str]) -> Self {
        Self { args: command.get_arguments().filter(|arg| !arg.is_positional()).collect(), added }
    }

    /// The option of the letter.
    pub(super) fn short(&self, letter: char) -> Option<&'command Arg> {
        self.args.iter().copied().find(|arg| {
            arg.get_short() == Some(letter)
                || arg.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&letter))
        })
    }

    /// The option of a long name or of the beginning of one of kmod's. A full name beats all beginnings.
    pub(super) fn long(&self, name: &[u8]) -> Named<'command> {
        if let Some((arg, full)) = self.names().find(|(_, full)| full.as_bytes() == name) {
            return Named::One(arg, full);
        }
        self.among(|full| full.as_bytes().starts_with(name) && !self.added.contains(&full))
    }

    fn among(&self, fits: impl Fn(&str) -> bool) -> Named<'command> {
        let mut fitting = self.names().filter(|(_, full)| fits(full));
        let Some((first, full)) = fitting.next() else { return Named::Unknown };
        // As getopt has it: other names of the first option found are not listed.
        let mut possibilities = vec![full];
        possibilities.extend(fitting.filter(|(arg, _)| arg.get_id() != first.get_id()).map(|(_, full)| full));
        if possibilities.len() == 1 { Named::One(first, full) } else { Named::Several(possibilities) }
    }

    /// Every long name with its option, main name first, then the others as defined.
    fn names(&self) -> impl Iterator<Item = (&'command Arg, &'command str)> {
        self.args.iter().copied().flat_map(|arg| {
            let others = arg.get_all_aliases().unwrap_or_default();
            arg.get_long().into_iter().chain(others).map(move |name| (arg, name))
        })
    }

    /// The option's main name with its dashes, as clap reads it.
    pub(super) fn spelling(&self, id: &Id) -> Option<OsString> {
        let arg = self.args.iter().find(|arg| arg.get_id() == id)?;
        match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => Some(format!("--{long}").into()),
            (None, Some(short)) => Some(format!("-{short}").into()),
            (None, None) => None,
        }
    }
}

/// Whether the option is followed by a value. An `Arg` with no action set counts as clap would build it.
pub(super) fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}
