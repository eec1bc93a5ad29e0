//! The options of `kmod static-nodes`.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(super) const OUTPUT: &str = "output";
pub(super) const FORMAT: &str = "format";

pub(crate) const DEFINITION: Definition = Definition { command, threshold: Threshold::ERRORS, added: &[] };

fn command() -> Command {
    common::command("kmod static-nodes")
        .about("Show the device nodes that modules ask for before they are loaded")
        .override_usage("kmod static-nodes [OPTION]...")
        .arg(common::valued(OUTPUT, "FILE").short('o').help("Write to FILE instead of standard output"))
        .arg(
            common::valued(FORMAT, "FORMAT")
                .short('f')
                .help("human (the default), tmpfiles (see tmpfiles.d(5)) or devname"),
        )
        .arg(common::help())
}
