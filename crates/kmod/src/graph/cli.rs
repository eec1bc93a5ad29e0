//! The options of `kmod graph`.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(super) const FORMAT: &str = "format";
pub(super) const SET_VERSION: &str = "set-version";
pub(super) const BASEDIR: &str = "basedir";

pub(crate) const DEFINITION: Definition = Definition { command, threshold: Threshold::WARNINGS, added: &[] };

fn command() -> Command {
    common::command("kmod graph")
        .about("Show which modules need which, as a graph to be drawn")
        .override_usage("kmod graph [OPTION]... [MODULE]...")
        .arg(common::valued(FORMAT, "FORMAT").short('f').help("dot (the default) or mermaid"))
        .arg(common::valued(SET_VERSION, "VERSION").short('k').help("Look at the modules of kernel VERSION"))
        .arg(common::valued(BASEDIR, "ROOT").short('b').help("Look for lib/modules below ROOT"))
        .arg(common::help())
}
