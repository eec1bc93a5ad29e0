//! The command line of lsmod: kmod 34's options, and ours.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const JSON: &str = "json";
pub(crate) const TREE: &str = "tree";
pub(crate) const WHY: &str = "why";

/// What the frame of every tool needs to know.
pub const DEFINITION: Definition =
    Definition { command, threshold: Threshold::ERRORS, added: &[JSON, TREE, WHY] };

/// The definition from which parser, help, manual checks and completions come.
fn command() -> Command {
    common::command("lsmod")
        .about("Show the modules that are loaded")
        .override_usage("lsmod [OPTION]...\n       lsmod --json | --tree | --why [OPTION]... [MODULE]...")
        .arg(common::flag(JSON).help("Show them as JSON"))
        .arg(common::flag(TREE).help("Show which modules use which, indented"))
        .arg(common::flag(WHY).help("Show why each module is there, and what uses it"))
        .arg(common::syslog())
        .arg(common::verbose())
        .arg(common::version())
        .arg(common::help())
}
