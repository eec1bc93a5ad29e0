//! The command line of modinfo: kmod 34's options, and ours.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const AUTHOR: &str = "author";
pub(crate) const DESCRIPTION: &str = "description";
pub(crate) const LICENSE: &str = "license";
pub(crate) const PARAMETERS: &str = "parameters";
pub(crate) const FILENAME: &str = "filename";
pub(crate) const FIELD: &str = "field";
pub(crate) const NULL: &str = "null";
pub(crate) const MODNAME: &str = "modname";
pub(crate) const SET_VERSION: &str = "set-version";
pub(crate) const BASEDIR: &str = "basedir";
pub(crate) const JSON: &str = "json";
pub(crate) const PARAMS: &str = "params";

/// What the frame of every tool needs to know.
pub const DEFINITION: Definition =
    Definition { command, threshold: Threshold::ERRORS, added: &[JSON, PARAMS] };

/// The definition from which parser, help, manual checks and completions come.
fn command() -> Command {
    common::command("modinfo")
        .about("Show what kernel modules say of themselves")
        .override_usage("modinfo [OPTION]... MODULE|FILE...")
        .arg(common::flag(AUTHOR).short('a').help("Show only the authors"))
        .arg(common::flag(DESCRIPTION).short('d').help("Show only the description"))
        .arg(common::flag(LICENSE).short('l').help("Show only the license"))
        .arg(common::flag(PARAMETERS).short('p').help("Show only the parameters"))
        .arg(common::flag(FILENAME).short('n').help("Show only the path of the file"))
        .arg(common::valued(FIELD, "FIELD").short('F').help("Show only the values of FIELD"))
        .arg(common::flag(NULL).short('0').help("End each item with a NUL byte instead of a newline"))
        .arg(
            common::flag(MODNAME)
                .short('m')
                .help("Take each operand for the name of a module, not for a file or an alias"),
        )
        .arg(common::valued(SET_VERSION, "VERSION").short('k').help("Look at the modules of kernel VERSION"))
        .arg(common::valued(BASEDIR, "ROOT").short('b').help("Look for lib/modules below ROOT"))
        .arg(common::flag(JSON).help("Show everything as JSON"))
        .arg(common::flag(PARAMS).help("Show parameters with their present and configured values"))
        .arg(common::version())
        .arg(common::help())
}
