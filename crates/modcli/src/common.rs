//! What the definitions of several tools have in common: the command's settings and shared options.
//!
//! Each tool's own options stand with the tool.

use clap::{Arg, ArgAction, Command};

/// Id of `-s`.
pub const SYSLOG: &str = "syslog";
/// Id of `-q`.
pub const QUIET: &str = "quiet";
/// Id of `-v`.
pub const VERBOSE: &str = "verbose";
/// Id of `-V`.
pub const VERSION: &str = "version";
/// Id of `-h`.
pub const HELP: &str = "help";

/// The start of a tool's definition. Help and version are options like others, so that getopt's rules hold for
/// them; options may be repeated.
#[must_use]
pub fn command(name: &'static str) -> Command {
    Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
}

/// An option without a value. Repeating it is allowed.
#[must_use]
pub fn flag(id: &'static str) -> Arg {
    Arg::new(id).long(id).action(ArgAction::SetTrue)
}

/// An option with a value, which may be any bytes. Of a repeated one the last counts.
#[must_use]
pub fn valued(id: &'static str, value: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .value_name(value)
        .action(ArgAction::Append)
        .value_parser(clap::value_parser!(std::ffi::OsString))
}

/// `-s`, `--syslog`.
#[must_use]
pub fn syslog() -> Arg {
    flag(SYSLOG).short('s').help("Send messages to the system log instead of standard error")
}

/// `-q`, `--quiet`.
#[must_use]
pub fn quiet() -> Arg {
    flag(QUIET).short('q').help("Say nothing, not even errors")
}

/// `-v`, `--verbose`.
#[must_use]
pub fn verbose() -> Arg {
    flag(VERBOSE).short('v').action(ArgAction::Count).help("Say more; may be repeated")
}

/// `-V`, `--version`.
#[must_use]
pub fn version() -> Arg {
    Arg::new(VERSION).long(VERSION).short('V').action(ArgAction::Version).help("Print the version and leave")
}

/// `-h`, `--help`.
#[must_use]
pub fn help() -> Arg {
    Arg::new(HELP).long(HELP).short('h').action(ArgAction::Help).help("Print this text and leave")
}
