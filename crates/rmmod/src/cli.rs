//! The command line of rmmod: kmod 34's options, what is left of older ones, and ours.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const FORCE: &str = "force";
pub(crate) const WAIT: &str = "wait";
pub(crate) const AUTOCLEAN: &str = "autoclean";
pub(crate) const DRY_RUN: &str = "dry-run";
pub(crate) const JSON: &str = "json";
pub(crate) const NO_PERSIST: &str = "no-persist";

/// The definition that `modcli` works from.
pub const DEFINITION: Definition = Definition {
    command,
    threshold: Threshold::ERRORS,
    added: &[AUTOCLEAN, "all", DRY_RUN, JSON, NO_PERSIST, WAIT],
};

/// The definition from which parser, help, manual checks and completions come.
#[must_use]
pub fn command() -> Command {
    common::command("rmmod")
        .about("Unload modules from the kernel")
        .override_usage("rmmod [OPTION]... MODULE...\n       rmmod -a [OPTION]... [MODULE]...")
        .arg(
            common::flag(FORCE)
                .short('f')
                .help("Unload a module even if it is in use, which may crash the system"),
        )
        .arg(
            common::flag(AUTOCLEAN).short('a').alias("all").help(
                "Unload what the kernel loaded on demand and nobody has used for an interval [or: --all]",
            ),
        )
        .arg(common::flag(DRY_RUN).short('n').help("Unload nothing, show what would be unloaded"))
        .arg(common::flag(JSON).help("With -a: describe every recorded module in JSON"))
        .arg(common::flag(NO_PERSIST).help("Do not save the settings of a module before it is unloaded"))
        .arg(common::flag(WAIT).short('w').hide(true).help("Ignored: the kernel never waits for users to go"))
        .arg(common::syslog())
        .arg(common::verbose())
        .arg(common::version())
        .arg(common::help())
}
