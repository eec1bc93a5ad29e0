//! The options of `kmod devices`.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(super) const JSON: &str = "json";
pub(super) const MISSING: &str = "missing";

pub(crate) const DEFINITION: Definition = Definition { command, threshold: Threshold::WARNINGS, added: &[] };

fn command() -> Command {
    common::command("kmod devices")
        .about("Show which modules drive the devices of this system, or could")
        .override_usage("kmod devices [OPTION]...")
        .arg(common::flag(MISSING).help("Only devices that nothing drives"))
        .arg(common::flag(JSON).help("Show them as JSON"))
        .arg(common::help())
}
