//! The command line of insmod: kmod 34's options, later ones, and what is left of older ones.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const FORCE: &str = "force";
pub(crate) const FORCE_MODVERSION: &str = "force-modversion";
pub(crate) const FORCE_VERMAGIC: &str = "force-vermagic";
const PROBE: &str = "probe";

/// What the frame of every tool needs to know.
pub const DEFINITION: Definition =
    Definition { command, threshold: Threshold::ERRORS, added: &[FORCE_MODVERSION, FORCE_VERMAGIC] };

/// The definition from which parser, help, manual checks and completions come.
fn command() -> Command {
    common::command("insmod")
        .about("Load a module from a file, and nothing that it needs")
        .override_usage("insmod [OPTION]... FILE [PARAMETER=VALUE]...")
        .arg(common::flag(FORCE).short('f').help("Load whatever the module was built for"))
        .arg(common::flag(FORCE_MODVERSION).help("Load with other symbol versions than the kernel's"))
        .arg(common::flag(FORCE_VERMAGIC).help("Load although built for another kernel"))
        .arg(clap::Arg::new(PROBE).short('p').action(clap::ArgAction::SetTrue).hide(true).help("Ignored"))
        .arg(common::syslog())
        .arg(common::verbose())
        .arg(common::version())
        .arg(common::help())
}
