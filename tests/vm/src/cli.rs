//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::guest;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// List the scenarios that the words select.
    List(Vec<String>),
    /// Run them.
    Run(Options),
}

/// How scenarios are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// An unpacked kernel package, if not that of the cache.
    pub kernel: Option<PathBuf>,
    /// The tools under test.
    pub subject: PathBuf,
    /// Whether those are the reference's.
    pub reference: bool,
    /// A second set of tools to measure beside the first.
    pub against: Option<PathBuf>,
    /// A static busybox, for the shell, if not that of the cache.
    pub shell: Option<PathBuf>,
    /// How many machines run at once.
    pub jobs: usize,
    /// Whether to show the console of every boot.
    pub verbose: bool,
    /// Whether to show of scenarios that pass nothing but their notes.
    pub transcript: bool,
    /// Groups, full names, or parts of full names; all default groups if empty.
    pub selection: Vec<String>,
}

/// Reads the command line; leaves the process with help or an error if it is not to be run.
#[must_use]
pub fn parse(arguments: Vec<OsString>) -> Request {
    request(&command().get_matches_from(arguments))
}

fn command() -> Command {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("PATH").value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("vm")
        .about("Runs the module tools on a real kernel in QEMU")
        .arg(path("kernel", "Directory of an unpacked kernel package, or 6.12 for a newer one of Debian 12 [default: kernel in the cache]"))
        .arg(path("subject", "Directory of the tools under test, or root of a system that has them"))
        .arg(path("against", "A second set of tools, for the scenarios that measure"))
        .arg(path("busybox", "A static busybox for the guest's shell [default: busybox in the cache]"))
        .arg(
            Arg::new("reference")
                .long("reference")
                .action(ArgAction::SetTrue)
                .help("The subject is the reference: leave out what only ours can pass"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u8).range(1..=2))
                .default_value("2")
                .help("Machines that run at once"),
        )
        .arg(Arg::new("list").long("list").action(ArgAction::SetTrue).help("List the scenarios"))
        .arg(
            Arg::new("verbose")
                .long("verbose")
                .action(ArgAction::SetTrue)
                .help("Show the console of every boot, not only of those that failed"),
        )
        .arg(
            Arg::new("transcript")
                .long("transcript")
                .action(ArgAction::SetTrue)
                .help("Of scenarios that pass, show nothing but what they note"),
        )
        .arg(Arg::new("selection").value_name("SCENARIO|GROUP").num_args(0..))
}

fn request(matches: &ArgMatches) -> Request {
    let selection = matches.get_many::<String>("selection").unwrap_or_default().cloned().collect::<Vec<_>>();
    if matches.get_flag("list") {
        return Request::List(selection);
    }
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    Request::Run(Options {
        kernel: path("kernel"),
        subject: path("subject").unwrap_or_else(guest::programs),
        reference: matches.get_flag("reference"),
        against: path("against"),
        shell: path("busybox"),
        jobs: matches.get_one::<u8>("jobs").map_or(1, |jobs| usize::from(*jobs)),
        verbose: matches.get_flag("verbose"),
        transcript: matches.get_flag("transcript"),
        selection,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Request {
        let words = std::iter::once("vm").chain(words.iter().copied());
        request(&command().try_get_matches_from(words).unwrap())
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn words_are_the_selection_and_options_are_options() {
        let Request::Run(options) = parsed(&["--subject", "/a", "--reference", "early", "load/xfs"]) else {
            panic!("a run was asked for")
        };
        assert_eq!(options.subject, PathBuf::from("/a"));
        assert!(options.reference && !options.verbose);
        assert_eq!(options.selection, ["early", "load/xfs"]);
        assert_eq!(parsed(&["--list", "early"]), Request::List(vec!["early".into()]));
    }
}
